/**
 * The two forms of what businesses read (spec 3, "For businesses"): JSON, and protobuf (proto/business.proto) where a
 * record's content-type says so. The fields are the same, but ids are numbers there and payloads are bytes.
 */
import { json, type ProtoMessage } from './topic.js'

type Headers = Readonly<Record<string, string>>
type Fields = Readonly<Record<string, unknown>>

const contentType = 'content-type'
const protobufType = 'application/x-protobuf'

/** Of a record whose value is protobuf. */
export const protobufHeaders: Headers = { [contentType]: protobufType }

/** Whether a record with these headers holds protobuf; without any it is JSON. */
export const saysProtobuf = (headers: Headers): boolean =>
  headers[contentType]?.startsWith(protobufType) ?? false

const changed = (fields: object, change: (name: string, value: unknown) => unknown): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, change(name, value)]))

/** Fields that are absent are null in what the decoder gives. */
const present = (message: object): Fields =>
  Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null && value !== undefined))

interface InProtobuf<E> {
  /** Decimal strings in JSON. */
  readonly ids: readonly (keyof E & string)[]
  /** Base64 in JSON. */
  readonly bytes?: readonly (keyof E & string)[]
}

/** How an event of business-events.ts is written and read in either form. */
export function inBothForms<E extends object>(
  message: ProtoMessage<object>,
  { ids, bytes = [] }: InProtobuf<E>,
) {
  const isId = new Set<string>(ids)
  const isBytes = new Set<string>(bytes)
  const { encode, decode } = json<E>()
  const toProtobuf = (name: string, value: unknown): unknown => {
    if (isId.has(name) && value !== undefined) return Number(value)
    return isBytes.has(name) ? Buffer.from(String(value), 'base64') : value
  }
  const fromProtobuf = (name: string, value: unknown): unknown => {
    if (isId.has(name)) return String(value)
    return isBytes.has(name) ? Buffer.from(value as Uint8Array).toString('base64') : value
  }
  return {
    encode,
    encodeProtobuf: (event: E): Uint8Array => message.encode(changed(event, toProtobuf)).finish(),
    decode: (value: Uint8Array, headers: Headers = {}): E =>
      saysProtobuf(headers) ? (changed(present(message.decode(value)), fromProtobuf) as E) : decode(value),
  }
}
