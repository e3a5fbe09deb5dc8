/** Spans of real processes, as a collector gets them: one trace from the packet or call to the last socket and phone. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { roleNames } from '../../infra/local/roles.js'
import { type CollectedSpan, type Collector, startCollector } from '../helpers/collector.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { figuresOf, total } from '../helpers/figures.js'
import { type Hook, startHook } from '../helpers/hook.js'
import { newTrace } from '../helpers/new-trace.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

let collector: Collector
let told: Hook
let phones: Hook
let system: System
let crowd: Crowd

before(async () => {
  ;[collector, told, phones] = await Promise.all([startCollector(), startHook(), startHook()])
  system = await startSystem({
    roles: [['gateway'], roleNames.filter((role) => role !== 'gateway')],
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=the%20tests',
      OTEL_EXPORTER_OTLP_TIMEOUT: '8000',
      OTEL_TRACES_SAMPLER_ARG: '0',
      METRICS_PORT: '0',
      WEBHOOK_EVENTS_URL: told.url,
      PUSH_PROVIDER: 'webhook',
      PUSH_WEBHOOK_URL: phones.url,
      DELIVERY_CHECK_DELAYS_MS: '700,700,700',
    },
  })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
  told?.close()
  phones?.close()
  collector?.close()
})

const ofTrace = (trace_id: string): CollectedSpan[] =>
  collector.spans.filter((span) => span.trace_id === trace_id)

/** Each span as the names on the way to it, from the first: `MSG_DATA > publish message.submitted`. */
function paths(trace_id: string): string[] {
  const spans = ofTrace(trace_id)
  const pathOf = ({ name, parent_id }: CollectedSpan): string => {
    const parent = spans.find(({ span_id }) => span_id === parent_id)
    const own = name.replace(system.prefix, '')
    return parent === undefined ? own : `${pathOf(parent)} > ${own}`
  }
  return spans.map(pathOf).sort()
}

async function hasPaths(trace_id: string, wanted: readonly string[]): Promise<void> {
  const isThere = () => wanted.every((path) => paths(trace_id).includes(path))
  await conditionHolds('the spans are there', isThere, 40_000).catch(() =>
    assert.deepEqual(paths(trace_id), wanted, 'the spans of the trace'),
  )
}

const stored = 'publish message.submitted > process message.submitted'
const delivered = `${stored} > publish delivery.requested > process delivery.requested`

test('a message is one trace: from the packet to the sockets, the webhook and the phone', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  await crowd.away(bo)
  const adas = await crowd.online(ada)
  const bos = await crowd.online(bo, { client_type: 5 })
  bos.acking = false
  const { trace_id, span_id, traceparent } = newTrace()
  const msg_id = adas.send(bo.user_id, 'hello', { traceparent })
  await bos.received(msg_id)
  const write = 'publish gate.{}.outbound > write MSG_DATA'
  await hasPaths(trace_id, [
    'MSG_DATA',
    `MSG_DATA > ${stored}`,
    `MSG_DATA > ${stored} > ${write}_ACK`,
    `MSG_DATA > ${stored} > publish message.stored > process message.stored > POST`,
    `MSG_DATA > ${delivered} > ${write}`,
    `MSG_DATA > ${delivered} > publish push.triggered > process push.triggered > push webhook`,
    // Nobody acks: some time later the check writes it again.
    `MSG_DATA > ${delivered} > publish delivery.check.5s > process delivery.check.5s > ${write}`,
  ])
  const spans = ofTrace(trace_id)
  const of = (name: string) => spans.find((each) => each.name.replace(system.prefix, '') === name)!
  assert.equal(of('MSG_DATA').parent_id, span_id, "the client's own span is the parent")
  assert.equal(
    told.told.find(({ body }) => body.data?.msg_id === msg_id)?.traceparent?.slice(3, 35),
    trace_id,
  )
  assert.ok(spans.some((each) => phones.told.at(-1)?.traceparent?.slice(36, 52) === each.span_id))
  const { kind, attributes, service } = of('process message.submitted')
  assert.equal(kind, 5)
  assert.equal(attributes['messaging.consumer.group.name'], `${system.prefix}message-store`)
  assert.equal(attributes['messaging.destination.name'], `${system.prefix}message.submitted`)
  assert.equal(service['service.name'], 'coffeechat')
  assert.equal(of('MSG_DATA').attributes['messaging.message.id'], msg_id)
  assert.equal(collector.headers[0]?.['x-tenant'], 'the tests')
})

test('a call is one trace, to the answer and to the members of a group; the first span is the request id', async () => {
  const [ada, bo, cy] = [await crowd.newUser(), await crowd.newUser(), await crowd.newUser()]
  await Promise.all([bo, cy].map((user) => crowd.online(user)))
  const members = [bo, cy].map(({ user_id }) => String(user_id))
  const owner_id = String(ada.user_id)
  const { body } = await system.api.post('/v1/groups', { owner_id, members, name: 'three' })
  const { trace_id, span_id, traceparent } = newTrace()
  const response = await fetch(`http://127.0.0.1:${system.http}/v1/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${system.apiKey}`, 'content-type': 'application/json', traceparent },
    body: JSON.stringify({
      ...{ from_user_id: owner_id, group_id: body.group_id, msg_id: 'through-http', msg_type: 1, text: 'hi' },
    }),
  })
  assert.equal(response.headers.get('x-request-id'), trace_id)
  const fanned = `${stored} > publish fanout.requested > process fanout.requested`
  const first = 'POST /v1/messages'
  await hasPaths(trace_id, [
    first,
    `${first} > ${stored} > publish gate.{}.outbound > write MSG_DATA_ACK`,
    `${first} > ${fanned} > publish delivery.requested > process delivery.requested > publish gate.{}.outbound > write MSG_DATA`,
  ])
  const call = ofTrace(trace_id).find(({ name }) => name === first)!
  assert.equal(call.parent_id, span_id)
  assert.equal(call.attributes['http.response.status_code'], response.status)
})

test('nobody records what its sender does not, nor, with a ratio of 0, what begins here', async () => {
  const { bo, adas, bos } = await crowd.pair()
  // Checks of earlier messages may still add to their traces.
  const before = new Set(collector.spans.map((span) => span.trace_id))
  const { trace_id, traceparent } = newTrace('00')
  const unsampled = adas.send(bo.user_id, 'hello', { traceparent })
  await bos.received(unsampled)
  await bos.received(adas.send(bo.user_id, 'and this one has none'))
  await conditionHolds('the webhook is told', () =>
    told.told.some(({ body }) => body.data?.msg_id === unsampled),
  )
  const post = told.told.find(({ body }) => body.data?.msg_id === unsampled)
  assert.equal(post?.traceparent, traceparent, 'its context goes on all the same')
  // What is recorded meanwhile shows that spans of these would have come.
  const last = newTrace()
  await bos.received(adas.send(bo.user_id, 'recorded', { traceparent: last.traceparent }))
  await hasPaths(last.trace_id, [`MSG_DATA > ${stored}`])
  const others = collector.spans.filter(({ trace_id: id }) => !before.has(id) && id !== last.trace_id)
  assert.deepEqual(others, [])
  assert.deepEqual(ofTrace(trace_id), [])
})

/** How many spans came to what, in all processes. */
async function counted(outcome: string): Promise<number> {
  const all = await Promise.all([...system.processes.values()].map(figuresOf))
  return all.reduce((sum, each) => sum + total(each, 'trace_spans', `outcome="${outcome}"`), 0)
}

/** Lines of the log about spans. */
const lines = (): string[] =>
  system
    .logs()
    .split('\n')
    .filter((line) => line.includes('spans'))

test('a collector that fails costs its spans, which are counted, and a line of each process', async () => {
  collector.respond = (response) => void response.writeHead(400).end()
  const earlier = lines().length
  const { bo, adas, bos } = await crowd.pair()
  for (let n = 0; n < 30; n++) {
    const msg_id = adas.send(bo.user_id, 'hello', { traceparent: newTrace().traceparent })
    await bos.received(msg_id)
  }
  await conditionHolds('lost spans are counted', async () => (await counted('failed')) > 0)
  assert.ok(lines().length <= earlier + system.processes.size, lines().join('\n'))
  collector.respond = undefined
  const { trace_id, traceparent } = newTrace()
  await bos.received(adas.send(bo.user_id, 'hello', { traceparent }))
  await hasPaths(trace_id, [`MSG_DATA > ${stored}`])
  assert.ok((await counted('exported')) > 0)
})

test('a collector that never answers holds up no message', async () => {
  collector.respond = () => {}
  const { bo, adas, bos } = await crowd.pair()
  const [earlier, before] = [lines().length, await counted('failed')]
  for (let n = 0; n < 30; n++) {
    const msg_id = adas.send(bo.user_id, 'hello', { traceparent: newTrace().traceparent })
    assert.equal((await adas.acked(msg_id)).res_code, 0)
    await bos.received(msg_id)
  }
  await conditionHolds('lost spans are counted', async () => (await counted('failed')) > before, 40_000)
  // Of each process at most that it took them again, and that it does not.
  assert.ok(lines().length <= earlier + 2 * system.processes.size, lines().join('\n'))
  collector.respond = undefined
})
