/** With WEBHOOK_BEFORE_SEND_ON_FAILURE=refuse nothing is stored that the business was not asked about; it heals by itself. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type Hook, type Respond, startHook } from '../helpers/hook.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const { kCIM_RES_CODE_OK: ok, kCIM_RES_CODE_SERVER_BUSY: busy } = CIM.Def.CIMResCode
const fine: Respond = () => ({ action: 'allow' })

let hook: Hook
let system: System
let crowd: Crowd

before(async () => {
  hook = await startHook()
  hook.respond = fine
  system = await startSystem({
    env: {
      WEBHOOK_BEFORE_SEND_URL: hook.url,
      WEBHOOK_BEFORE_SEND_SECRET: hook.secret,
      WEBHOOK_BEFORE_SEND_TIMEOUT_MS: '2000',
      WEBHOOK_BEFORE_SEND_ON_FAILURE: 'refuse',
    },
  })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
  hook?.close()
})

const codeOf = async (device: Device, to: number, msg_id: string): Promise<number> => {
  device.send(to, 'hello', { msg_id })
  return (await device.acked(msg_id)).res_code
}
const calls = (msg_id: string) => hook.told.filter(({ body }) => body.msg_id === msg_id).length

const answering = (respond: Respond) => async () => {
  hook.respond = respond
}
const troubles: readonly [title: string, begin: () => Promise<void>][] = [
  ['it cannot be reached', async () => hook.close()],
  ['it is silent', answering(() => undefined)],
  ['it answers 500', answering((_, response) => void response.writeHead(500).end())],
  ['it cuts the connection', answering((_, response) => void response.destroy())],
  ['it answers with a page', answering((_, response) => void response.end('<html>'))],
  ['it answers what is no verdict', answering(() => ({ action: 'delay' }))],
]

async function heal(): Promise<void> {
  await hook.open()
  hook.respond = fine
}

for (const [title, begin] of troubles)
  test(`while ${title} a send is refused as SERVER_BUSY and not stored; then the same msg_id is stored`, async () => {
    const { ada, bo, adas, bos } = await crowd.pair()
    const stored = adas.send(bo.user_id, 'hello', { msg_id: randomUUID() })
    assert.equal((await adas.acked(stored)).server_msg_id, 1)
    const asked = calls(stored)
    await begin()

    const msg_id = randomUUID()
    assert.equal(await codeOf(adas, bo.user_id, msg_id), busy)
    const ids = { from_user_id: String(ada.user_id), to_user_id: String(bo.user_id) }
    const draft = { ...ids, msg_id: randomUUID(), msg_type: 1, text: 'over REST' }
    const { status, body, headers } = await system.api.post('/v1/messages', draft)
    assert.deepEqual([status, body.error.code], [503, 'SERVER_BUSY'])
    assert.match(headers.get('retry-after') ?? '', /^\d+$/)
    assert.equal((await system.api.get(`/v1/messages/${ada.user_id}/${msg_id}`)).status, 404)

    assert.equal(await codeOf(adas, bo.user_id, stored), ok, 'what is stored is not asked about again')
    assert.equal(calls(stored), asked)

    await heal()
    assert.equal(await codeOf(adas, bo.user_id, msg_id), ok)
    const { server_msg_id } = await bos.received(msg_id)
    assert.equal(server_msg_id, 2, 'what was refused took no number')
    assert.equal((await system.api.post('/v1/messages', draft)).status, 201)
  })

test('one that fails again and again is asked less often, and soon after it is back sends are taken', async () => {
  const { bo, adas } = await crowd.pair()
  hook.respond = (_, response) => void response.writeHead(500).end()
  const before = hook.told.length
  const ids = Array.from({ length: 60 }, () => randomUUID())
  for (const msg_id of ids) assert.equal(await codeOf(adas, bo.user_id, msg_id), busy)
  assert.ok(hook.told.length - before < 60, `asked ${hook.told.length - before} times`)
  await heal()
  await conditionHolds('a send is taken', async () => (await codeOf(adas, bo.user_id, ids[0]!)) === ok)
  for (const msg_id of ids.slice(1)) assert.equal(await codeOf(adas, bo.user_id, msg_id), ok)
})
