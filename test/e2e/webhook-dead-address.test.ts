/** A webhook that is wholly dead: it costs next to nothing, slows no other address, and hears all in order once it is back. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { roleNames } from '../../infra/local/roles.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { figuresOf, total } from '../helpers/figures.js'
import { type Hook, startHook, type Told } from '../helpers/hook.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const patient_ms = 60_000

let messages: Hook
let reads: Hook
let system: System
let crowd: Crowd
let database: pg.Client

before(async () => {
  messages = await startHook()
  reads = await startHook(messages.secret)
  system = await startSystem({
    roles: [roleNames.filter((role) => role !== 'webhooks'), ['webhooks']],
    env: {
      METRICS_PORT: '0',
      WEBHOOK_EVENTS_ROUTES: `message=${messages.url},receipt=${reads.url}`,
      WEBHOOK_EVENTS_SECRET: messages.secret,
      WEBHOOK_RETRY_DELAYS_MS: '1000,1000,1000',
    },
  })
  crowd = createCrowd(system)
  database = new pg.Client({ connectionString: system.databaseUrl })
  await database.connect()
})
after(async () => {
  crowd?.leave()
  await database?.end()
  await system?.stop()
  messages?.close()
  reads?.close()
})

const role = () => system.processes.get('webhooks')!
const isAway = async (kind: string) => total(await figuresOf(role()), 'webhook_away', `kind="${kind}"`) === 1
const waiting = async () =>
  (await database.query('SELECT count(*)::integer AS rows FROM im_webhook_waiting')).rows[0].rows as number

test('a dead address: its events stay on their topic, others are told, and nothing is lost or out of order', async () => {
  const pairs = await Promise.all(Array.from({ length: 8 }, () => crowd.pair()))
  messages.close()
  for (let n = 0; n < 3; n++)
    await Promise.all(pairs.map(({ adas, bo }) => adas.say(bo.user_id, `before ${n}`)))
  await conditionHolds('it is left alone', () => isAway('message'), patient_ms)
  const noted = await waiting()

  for (let n = 0; n < 40; n++) await Promise.all(pairs.map(({ adas, bo }) => adas.say(bo.user_id, `${n}`)))
  const { ada, bo, adas, bos } = pairs[0]!
  const msg_id = adas.send(bo.user_id, 'read me')
  await bos.received(msg_id)
  bos.put('MSG_READ_ACK', { user_id: bo.user_id, session_type: 1, session_id: ada.user_id, msg_id })
  const isRead = ({ body }: Told) => body.data.state === 'read'
  await conditionHolds('the read is told', () => reads.told.some(isRead))
  assert.equal(await isAway('receipt'), false)
  const more = (await waiting()) - noted
  assert.ok(more <= 30, `${more} of 321 events were noted one by one`)

  await role().kill('SIGKILL')
  await role().restart()
  await conditionHolds('it is left alone by the next process too', () => isAway('message'), patient_ms)

  await messages.open()
  const numbersOf = (conversation: string) => [
    ...new Set(
      messages.told
        .filter(({ body }) => body.data.conversation === conversation)
        .map(({ body }) => Number(body.data.server_msg_id)),
    ),
  ]
  for (const [at, pair] of pairs.entries()) {
    const conversation = `c:${pair.ada.user_id}:${pair.bo.user_id}`
    const count = at === 0 ? 44 : 43
    await conditionHolds(
      `${conversation} is told`,
      () => numbersOf(conversation).length === count,
      patient_ms,
    )
    assert.deepEqual(
      numbersOf(conversation),
      Array.from({ length: count }, (_, number) => number + 1),
    )
  }
  await conditionHolds('nothing waits any more', async () => (await waiting()) === 0, patient_ms)
  assert.equal(await isAway('message'), false)
})
