/** What kafkajs fetched, as a record of the bus. */
import type { IHeaders } from 'kafkajs'
import type { IncomingRecord } from '../../schemas/bus.js'

/** A message of kafkajs, as a consumer gets it or a fetch answers it. */
interface Fetched {
  readonly offset: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: Readonly<IHeaders>
  /** ms */
  readonly timestamp: string
}

/** Of a header that is there several times, the first. */
function textOf(value: IHeaders[string]): string {
  const first = Array.isArray(value) ? value[0] : value
  return first === undefined ? '' : first.toString()
}

export function toRecord(topic: string, partition: number, message: Fetched): IncomingRecord {
  const headers: Record<string, string> = {}
  for (const name in message.headers) headers[name] = textOf(message.headers[name])
  return {
    topic,
    partition,
    offset: Number(message.offset),
    key: message.key?.toString() ?? null,
    value: message.value ?? Buffer.alloc(0),
    headers,
    timestamp: Number(message.timestamp),
  }
}
