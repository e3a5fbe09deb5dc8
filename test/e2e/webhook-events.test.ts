/** The business is told what has happened: all of it, in order per conversation, also when the webhook or the role dies. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { roleNames } from '../../infra/local/roles.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type Hook, startHook, type Told } from '../helpers/hook.js'
import { ops } from '../helpers/ops.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

let hook: Hook
/** Gets the receipts alone. */
let reads: Hook
let system: System
let crowd: Crowd

const others = roleNames.filter((role) => role !== 'webhooks')

before(async () => {
  hook = await startHook()
  reads = await startHook(hook.secret)
  system = await startSystem({
    roles: [others, ['webhooks']],
    env: {
      WEBHOOK_EVENTS_URL: `${hook.url}token-of-the-address`,
      WEBHOOK_EVENTS_ROUTES: `receipt=${reads.url}token-of-the-address`,
      WEBHOOK_EVENTS_SECRET: hook.secret,
      WEBHOOK_RETRY_DELAYS_MS: '300,300,1000',
      WEBHOOK_RETRIES: '12',
    },
  })
  crowd = createCrowd(system)
})
after(async () => {
  if (crowd) crowd.leave()
  await system?.stop()
  hook?.close()
  reads?.close()
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
const postLimit_ms = 5_000 // WEBHOOK_EVENTS_TIMEOUT_MS
const read = (bos: Device, ada: User, bo: User, msg_id: string) =>
  bos.put('MSG_READ_ACK', { user_id: bo.user_id, session_type: 1, session_id: ada.user_id, msg_id })
/** Of the operator's commands. */
const env = () => ({ WEBHOOK_EVENTS_URL: hook.url })
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
  read(bos, ada, bo, said)
  const wanted = ['message.stored', 'group.changed', 'contact.changed', 'presence.changed']
  await conditionHolds(`all of ${wanted}, not only ${hook.told.map(({ body }) => body.event)}`, () =>
    wanted.every((event) => hook.told.some(({ body }) => body.event === event)),
  )
  await conditionHolds('the read is told where reads are', () =>
    reads.told.some(({ body }) => body.event === 'receipt.changed' && body.data.state === 'read'),
  )
  assert.ok([...hook.told, ...reads.told].every(({ signed, key, body }) => signed && key === body.event_id))
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
  for (let n = 0; n < 5; n++) first.adas.send(first.bo.user_id, `${n}`)
  for (let n = 0; n < 5; n++) second.adas.send(second.bo.user_id, `${n}`)
  await conditionHolds('the other is told', () => numbersTold(other, taken).length === 5)
  assert.deepEqual(numbersTold(conversation, taken), [])
  broken = false
  await first.adas.say(first.bo.user_id, 'and one more')
  await conditionHolds('all are told', () => numbersTold(conversation, taken).length === 6)
  assert.deepEqual(numbersTold(conversation, taken), upTo(6))
  assert.equal(taken.length, new Set(taken.map(({ key }) => key)).size, 'each once')
  hook.respond = fine
})

test('one address that never answers holds up nothing that goes to another', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const conversation = `c:${ada.user_id}:${bo.user_id}`
  reads.respond = () => undefined
  const [readsBefore, toldBefore] = [reads.told.length, hook.told.length]
  const first = adas.send(bo.user_id, 'read me')
  await bos.received(first)
  read(bos, ada, bo, first)
  await conditionHolds('a receipt hangs', () => reads.told.length > readsBefore)
  const hangsSince = performance.now()
  for (let n = 0; n < 10; n++) await adas.say(bo.user_id, `${n}`)
  const told = () => numbersTold(conversation, hook.told.slice(toldBefore))
  await conditionHolds('the messages are told', () => told().length === 11)
  assert.deepEqual(told(), upTo(11))
  assert.ok(performance.now() - hangsSince < postLimit_ms, 'before the read that hangs was given up')
  reads.respond = fine
  // Deliveries are told there too.
  const isMine = ({ body }: Told) => body.data.conversation === conversation && body.data.state === 'read'
  await conditionHolds('the read is told', () => reads.told.filter(isMine).length > 1)
  assert.equal(new Set(reads.told.filter(isMine).map(({ key }) => key)).size, 1, 'again under the same id')
})

test('a conversation whose posts are slow keeps its order, and others overtake it', async () => {
  const [slow, quick] = [await crowd.pair(), await crowd.pair()]
  const of = ({ ada, bo }: typeof slow) => `c:${ada.user_id}:${bo.user_id}`
  const taken: Told[] = []
  hook.respond = async (told, response) => {
    if (told.body.data.conversation === of(slow)) await new Promise((resolve) => setTimeout(resolve, 1_000))
    taken.push(told)
    return fine(told, response)
  }
  for (let n = 0; n < 8; n++) slow.adas.send(slow.bo.user_id, `${n}`)
  for (let n = 0; n < 8; n++) quick.adas.send(quick.bo.user_id, `${n}`)
  const count = (pair: typeof slow) => numbersTold(of(pair), taken).length
  // After five seconds the slow one is left to the delay topics, whoever came first.
  await conditionHolds('the quick one is told', () => count(quick) === 8)
  assert.ok(count(slow) < 8)
  await conditionHolds('the slow one is told', () => count(slow) === 8)
  assert.deepEqual(numbersTold(of(slow), taken), upTo(8))
  hook.respond = fine
})

test('killed with -9 amid a stream, the role tells every message, in order', async () => {
  const { ada, bo, adas } = await crowd.pair()
  const conversation = `c:${ada.user_id}:${bo.user_id}`
  const role = system.processes.get('webhooks')!
  const before = hook.told.length
  const mine = () => hook.told.slice(before).filter(({ body }) => body.data.conversation === conversation)
  const posts = (server_msg_id: number) =>
    mine().filter(({ body }) => Number(body.data.server_msg_id) === server_msg_id)
  for (let n = 0; n < 60; n++) {
    // The post that is open when it dies.
    if (n === 20)
      hook.respond = (told, response) => (posts(21).includes(told) ? undefined : fine(told, response))
    await adas.say(bo.user_id, `${n}`)
    if (n === 20) {
      await conditionHolds('a post hangs', () => posts(21).length > 0)
      await role.kill('SIGKILL')
      hook.respond = fine
    }
    if (n === 40) await role.restart()
  }
  const told = () => numbersTold(conversation, mine())
  await conditionHolds('all are told', () => told().length === 60, 40_000)
  assert.deepEqual(told(), upTo(60))
  assert.equal(new Set(mine().map(({ key }) => key)).size, 60, 'a repeat has the id of the first')
  assert.ok(posts(21).length > 1)
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
  assert.match(resent.said, /resent \d+ dead letter/)
  await conditionHolds('it is told', () => hook.told.filter(isMine).length === tried + 1)

  const replayed = await ops(system, 'replay webhook-messages --from 10m', env())
  assert.equal(replayed.code, 0, replayed.said)
  await conditionHolds('it is told once more', () => hook.told.filter(isMine).length > tried + 1)
  assert.equal(new Set(hook.told.filter(isMine).map(({ key }) => key)).size, 1, 'under the same id')
})

test('neither a secret nor an address that may hold one is in the logs', () => {
  const logs = system.logs()
  assert.match(logs, /a webhook for events does not take one/)
  assert.doesNotMatch(logs, new RegExp(`${hook.secret}|token-of-the-address`))
})
