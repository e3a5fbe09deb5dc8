/**
 * W3C trace context as it travels: from a client's packet or an HTTP call in the headers of records to the last socket
 * and webhook (spec 3-topics). A trace is written as its traceparent, `00-<trace id>-<parent span id>-<flags>`.
 */
import type { OutgoingRecord } from './bus.js'

/** A traceparent of version 00, in lower case. */
export type Trace = string

type Headers = Readonly<Record<string, string>>

/** The header of an HTTP call, and of a record that carries one event. */
export const traceHeader = 'traceparent'
/** The header of a record that carries several: `<index>:<traceparent>` of each that has one, comma-separated. */
export const tracesHeader = 'traceparents'

const form = /^([0-9a-f]{2})-((?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?$/

/** A traceparent from outside; undefined where it is none. A later version is read as far as 00 goes. */
export function parseTrace(text: unknown): Trace | undefined {
  const [, version, rest, more] = typeof text === 'string' ? (form.exec(text) ?? []) : []
  if (rest === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  return `00-${rest}`
}

/** 32 hexadecimal digits. */
export const traceIdOf = (trace: Trace): string => trace.slice(3, 35)

/** 16 hexadecimal digits. */
export const spanIdOf = (trace: Trace): string => trace.slice(36, 52)

/** Somebody records this trace. */
export const isSampled = (trace: Trace): boolean => (Number.parseInt(trace.slice(53), 16) & 1) === 1

/** What a line of the log says of the trace that it belongs to. */
export const traceFields = (trace: Trace | undefined) =>
  trace === undefined ? {} : { trace_id: traceIdOf(trace), span_id: spanIdOf(trace) }

/** The traces of several events, by their place among them. */
export type Traces = readonly (Trace | undefined)[]

/** A record with the traces of its events in its headers. */
export function withTraces(record: OutgoingRecord, traces: Traces, events: number): OutgoingRecord {
  const [first] = traces
  if (events === 1)
    return first === undefined ? record : { ...record, headers: { ...record.headers, [traceHeader]: first } }
  const listed = [...traces.entries()].filter(([, trace]) => trace !== undefined)
  if (listed.length === 0) return record
  const text = listed.map(([at, trace]) => `${at}:${trace}`).join(',')
  return { ...record, headers: { ...record.headers, [tracesHeader]: text } }
}

/** The traces of a record's events; undefined where none of them has one, which costs nothing. */
export function tracesIn(headers: Headers): Traces | undefined {
  const { [traceHeader]: only, [tracesHeader]: several } = headers
  if (only !== undefined) return [parseTrace(only)]
  if (several === undefined) return undefined
  const traces: (Trace | undefined)[] = []
  for (const each of several.split(',')) {
    const [at, trace] = each.split(':')
    if (/^\d{1,6}$/.test(at ?? '')) traces[Number(at)] = parseTrace(trace)
  }
  return traces
}

const mark = Symbol('trace')

/** Marks a part of an event, which no codec sees, with the trace that it belongs to. Copies by spread keep the mark. */
export const markTrace = (part: object, trace: Trace): void => void Object.assign(part, { [mark]: trace })

/** The trace that a part of an event is marked with. */
export const markedTrace = (part: object): Trace | undefined => (part as { [mark]?: Trace })[mark]
