/** A trace that begins at a client, as W3C trace context. */
import { randomBytes } from 'node:crypto'

export interface NewTrace {
  readonly trace_id: string
  /** Of the client's own span. */
  readonly span_id: string
  readonly traceparent: string
}

/** @param flags `01`: the client records its spans */
export function newTrace(flags = '01'): NewTrace {
  const [trace_id, span_id] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
  return { trace_id, span_id, traceparent: `00-${trace_id}-${span_id}-${flags}` }
}
