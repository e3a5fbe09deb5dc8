/** W3C trace context in text and in the headers of records. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeChecks, mergeOutbound } from '../../schemas/merging.js'
import {
  isSampled,
  markedTrace,
  markTrace,
  parseTrace,
  spanIdOf,
  traceIdOf,
  tracesIn,
  withTraces,
} from '../../schemas/tracing.js'

const id = '0af7651916cd43dd8448eb211c80319c'
const span = 'b7ad6b7169203331'
const trace = `00-${id}-${span}-01`
const record = { topic: 't', key: null, value: Buffer.from('x'), headers: { 'content-type': 'text/plain' } }

const texts: readonly [string, unknown, string | undefined][] = [
  ['version 00', trace, trace],
  ['not sampled', `00-${id}-${span}-00`, `00-${id}-${span}-00`],
  ['a later version', `01-${id}-${span}-01`, trace],
  ['a later version with more in it', `42-${id}-${span}-01-what-the-future-will-be-like`, trace],
  ['version 00 with more in it', `${trace}-more`, undefined],
  ['version ff', `ff-${id}-${span}-01`, undefined],
  ['an id of zeros', `00-${'0'.repeat(32)}-${span}-01`, undefined],
  ['a parent of zeros', `00-${id}-${'0'.repeat(16)}-01`, undefined],
  ['capital letters', trace.toUpperCase(), undefined],
  ['too short', trace.slice(0, -1), undefined],
  ['nothing', '', undefined],
  ['no text', undefined, undefined],
  ['a list', [trace], undefined],
]
for (const [name, text, expected] of texts)
  test(`a traceparent: ${name}`, () => assert.equal(parseTrace(text), expected))

test('a trace names its trace, its parent and whether it is sampled', () => {
  assert.deepEqual([traceIdOf(trace), spanIdOf(trace), isSampled(trace)], [id, span, true])
  assert.equal(isSampled(`00-${id}-${span}-02`), false)
})

const several: readonly [string, readonly (string | undefined)[]][] = [
  ['one event', [trace]],
  ['two, the second traced', [undefined, trace]],
  ['three, the second not', [trace, undefined, `00-${id}-${span}-00`]],
]
for (const [name, traces] of several)
  test(`the headers of a record keep the trace of each event: ${name}`, () => {
    const { headers } = withTraces(record, traces, traces.length)
    assert.equal(headers?.['content-type'], 'text/plain')
    const read = tracesIn(headers ?? {})
    assert.deepEqual(
      traces.map((_, at) => read?.[at]),
      traces,
    )
  })

test('a record whose events nobody traces is as it was', () => {
  assert.equal(withTraces(record, [], 3), record)
  assert.equal(withTraces(record, [undefined], 1), record)
  assert.equal(tracesIn(record.headers), undefined)
})

test('headers that others have written wrongly are no traces', () => {
  assert.deepEqual(tracesIn({ traceparent: 'mine' }), [undefined])
  assert.deepEqual(tracesIn({ traceparents: 'x:y,,1,-1:z,2:mine,9999999:mine' })?.filter(Boolean), [])
})

const packet = (msg_id: string, connection_id: number) => ({
  target: [{ gate_epoch: 1, connection_id, login_number: 1 }],
  command_id: 769,
  body: Buffer.from(msg_id),
  ref: {
    ...{ from_user_id: 1, to_session_id: 2, msg_id, session_type: 1 },
    ...{ conversation: 'c:1:2', server_msg_id: 1 },
  },
})

test('packets keep their traces when they share a record', () => {
  const traced = packet('a', 1)
  markTrace(traced, trace)
  const merged = mergeOutbound([
    { packet: [packet('b', 1)] },
    { packet: [traced] },
    { packet: [packet('a', 2)] },
  ])
  assert.deepEqual(merged[0]?.packet?.map(markedTrace), [undefined, trace])
})

test('checks keep their traces when they share a record', () => {
  const entry = (msg_id: string) => ({ ref: packet(msg_id, 1).ref, reader_user_id: 2, first_time: 1 })
  const traced = entry('a')
  markTrace(traced, trace)
  const merged = mergeChecks([
    { attempt: 1, entry: [entry('b')] },
    { attempt: 1, entry: [traced] },
  ])
  assert.deepEqual(merged[0]?.entry?.map(markedTrace), [undefined, trace])
})
