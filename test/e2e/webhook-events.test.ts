/** The business is told what has happened: all of it, in order per conversation, also when the webhook or the role dies. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { roleNames } from '../../infra/local/roles.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { type Hook, startHook, type Told } from '../helpers/hook.js'
import { ops } from '../helpers/ops.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

let hook: Hook
let system: System
let crowd: Crowd

const others = roleNames.filter((role) => role !== 'webhooks')

before(async () => {
  hook = await startHook()
  system = await startSystem({
    roles: [others, ['webhooks']],
    env: {
      WEBHOOK_EVENTS_URL: hook.url,
      WEBHOOK_EVENTS_SECRET: hook.secret,
      WEBHOOK_RETRY_DELAYS_MS: '300,300,300',
      WEBHOOK_RETRIES: '4',
    },
  })
  crowd = createCrowd(system)
})
after(async () => {
  if (crowd) crowd.leave()
  await system?.stop()
  hook?.close()
})

const fine: Hook['respond'] = (_, response) => void response.end()
const failing: Hook['respond'] = (_, response) => void response.writeHead(503).end()

/** The messages of a conversation in the order in which they were taken first. */
const numbersTold = (conversation: string, told: readonly Told[]): number[] => [
  ...new Set(
    told
      .filter(({ body }) => body.event === 'message.stored' && body.data.conversation === conversation)
      .map(({ body }) => Number(body.data.server_msg_id)),
  ),
]
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

test('messages, groups, contacts, presence and reads are told, signed, each under an id of its own', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const said = adas.send(bo.user_id, 'hello')
  await bos.received(said)
  await system.api.post('/v1/groups', {
    owner_id: String(ada.user_id),
    members: [String(bo.user_id)],
    name: 'two',
  })
  await system.api.call('PUT', `/v1/users/${ada.user_id}/blocklist/${bo.user_id}`)
  bos.put('MSG_READ_ACK', {
    user_id: bo.user_id,
    session_type: 1,
    session_id: ada.user_id,
    msg_id: said,
  })
  const wanted = ['message.stored', 'group.changed', 'contact.changed', 'presence.changed', 'receipt.changed']
  await conditionHolds(`all of ${wanted}, not only ${hook.told.map(({ body }) => body.event)}`, () =>
    wanted.every((event) => hook.told.some(({ body }) => body.event === event)),
  )
  assert.ok(hook.told.every(({ signed, key, body }) => signed && key === body.event_id))
  const message = hook.told.find(({ body }) => body.event === 'message.stored')!
  assert.equal(Buffer.from(message.body.data.data, 'base64').toString(), 'hello')
  const group = hook.told.find(({ body }) => body.event === 'group.changed')!
  assert.equal(group.body.data.notification, 'group.created')
})

test('while it fails events wait in order behind the first; other conversations go on', async () => {
  const [first, second] = [await crowd.pair(), await crowd.pair()]
  const conversation = `c:${first.ada.user_id}:${first.bo.user_id}`
  const other = `c:${second.ada.user_id}:${second.bo.user_id}`
  const taken: Told[] = []
  let broken = true
  hook.respond = (told, response) => {
    if (broken && told.body.data.conversation === conversation) return failing(told, response)
    taken.push(told)
    return fine(told, response)
  }
  for (let n = 0; n < 5; n++) await first.adas.say(first.bo.user_id, `${n}`)
  for (let n = 0; n < 5; n++) await second.adas.say(second.bo.user_id, `${n}`)
  await conditionHolds('the other is told', () => numbersTold(other, taken).length === 5)
  assert.deepEqual(numbersTold(conversation, taken), [])
  broken = false
  await first.adas.say(first.bo.user_id, 'and one more')
  await conditionHolds('all are told', () => numbersTold(conversation, taken).length === 6)
  assert.deepEqual(numbersTold(conversation, taken), upTo(6))
  assert.equal(taken.length, new Set(taken.map(({ key }) => key)).size, 'each once')
  hook.respond = fine
})

test('killed with -9 amid a stream, the role tells every message, in order', async () => {
  const { ada, bo, adas } = await crowd.pair()
  const conversation = `c:${ada.user_id}:${bo.user_id}`
  const role = system.processes.get('webhooks')!
  const before = hook.told.length
  for (let n = 0; n < 60; n++) {
    await adas.say(bo.user_id, `${n}`)
    if (n === 20) await role.kill('SIGKILL')
    if (n === 40) await role.restart()
  }
  const told = () => numbersTold(conversation, hook.told.slice(before))
  await conditionHolds('all are told', () => told().length === 60, 40_000)
  assert.deepEqual(told(), upTo(60))
})

test('what is never taken is a dead letter, which the operator sends again; what was told is told again by time', async () => {
  const { ada, bo, adas } = await crowd.pair()
  const conversation = `c:${ada.user_id}:${bo.user_id}`
  const isMine = ({ body }: Told) => body.data.conversation === conversation
  hook.respond = (told, response) => (isMine(told) ? failing(told, response) : fine(told, response))
  await adas.say(bo.user_id, 'never taken')
  const dead = 'webhook.retry.600s.webhook-retries-600s'
  await conditionHolds(
    'the dead letter',
    async () => / 503/.test((await ops(system, `dlq list ${dead}`, env())).said),
    40_000,
  )
  hook.respond = fine
  const tried = hook.told.filter(isMine).length
  const resent = await ops(system, `dlq resend ${dead}`, env())
  assert.match(resent.said, /resent 1 dead letter/)
  await conditionHolds('it is told', () => hook.told.filter(isMine).length === tried + 1)

  const replayed = await ops(system, 'replay webhook-messages --from 10m', env())
  assert.equal(replayed.code, 0, replayed.said)
  await conditionHolds('it is told once more', () => hook.told.filter(isMine).length > tried + 1)
  assert.equal(new Set(hook.told.filter(isMine).map(({ key }) => key)).size, 1, 'under the same id')
})

const env = () => ({ WEBHOOK_EVENTS_URL: hook.url })
