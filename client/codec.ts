/**
 * Bodies of packets (proto2) into objects and back, by the table of gen/protocol.ts. Numbers are plain numbers: the
 * protocol keeps every u64 below 2^53, and what is not is refused instead of rounded.
 */
import { type Messages, messages } from './gen/protocol.js'
import type { Writable } from './wire.js'

/** Bytes that are no such message, or an object that lacks a required field. */
export class CodecError extends Error {
  override readonly name = 'CodecError'
}

interface Field {
  readonly number: number
  readonly name: string
  readonly label: '!' | '?' | '*'
  /** u varint, t bool, s string, b bytes, or the name of a message. */
  readonly type: string
}

type Values = Record<string, unknown>

const varint = 0
const fixed64 = 1
const extent = 2
const fixed32 = 5

const fieldsOf = new Map<string, readonly Field[]>()

function fields(message: string): readonly Field[] {
  const known = fieldsOf.get(message)
  if (known !== undefined) return known
  const text = messages[message as keyof Messages]
  const rows = text.split(' ').flatMap((each) => {
    const [, name, number, label, type] = /^(\w+)=(\d+)([!?*])(\w+)$/.exec(each) ?? []
    return name === undefined ? [] : [{ name, number: Number(number), label, type } as Field]
  })
  fieldsOf.set(message, rows)
  return rows
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function putVarint(out: number[], value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new CodecError(`${value} is no number of the wire`)
  let rest = value
  // Not by shifts, which end at 32 bits.
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128)
  out.push(rest)
}

function putBytes(out: number[], bytes: Uint8Array): void {
  putVarint(out, bytes.length)
  for (const byte of bytes) out.push(byte)
}

function putField(out: number[], { number, name, type }: Field, value: unknown): void {
  const isVarint = type === 'u' || type === 't'
  putVarint(out, number * 8 + (isVarint ? varint : extent))
  if (isVarint) putVarint(out, Number(value))
  else if (type === 's') putBytes(out, encoder.encode(String(value)))
  else if (type !== 'b') putBytes(out, encodeValues(type, value as Values))
  else if (value instanceof Uint8Array) putBytes(out, value)
  else throw new CodecError(`${name} is not bytes`)
}

function encodeValues(message: string, values: Values): Uint8Array {
  const out: number[] = []
  for (const field of fields(message)) {
    const value = values[field.name]
    if (field.label === '*') for (const item of (value ?? []) as unknown[]) putField(out, field, item)
    else if (value !== undefined && value !== null) putField(out, field, value)
    else if (field.label === '!') throw new CodecError(`${message} without ${field.name}`)
  }
  return Uint8Array.from(out)
}

/** @throws CodecError where a required field is missing or a number does not fit */
export function encode<Name extends keyof Messages>(
  message: Name,
  values: Writable<Messages[Name]>,
): Uint8Array {
  return encodeValues(message, values)
}

interface Cursor {
  readonly bytes: Uint8Array
  at: number
}

function takeVarint(cursor: Cursor): number {
  let value = 0
  for (let scale = 1, count = 0; count < 10; count++, scale *= 128) {
    const byte = cursor.bytes[cursor.at++]
    if (byte === undefined) throw new CodecError('cut off within a number')
    value += (byte & 127) * scale
    if (byte > 127) continue
    if (!Number.isSafeInteger(value)) throw new CodecError('a number is not below 2^53')
    return value
  }
  throw new CodecError('a number that does not end')
}

function takeBytes(cursor: Cursor): Uint8Array {
  const end = takeVarint(cursor) + cursor.at
  if (end > cursor.bytes.length) throw new CodecError('cut off within a field')
  const taken = cursor.bytes.subarray(cursor.at, end)
  cursor.at = end
  return taken
}

/** Passes over a field that this library does not know. */
function skip(cursor: Cursor, wireType: number): void {
  if (wireType === varint) takeVarint(cursor)
  else if (wireType === extent) takeBytes(cursor)
  else if (wireType === fixed64 || wireType === fixed32) cursor.at += wireType === fixed64 ? 8 : 4
  else throw new CodecError(`wire type ${wireType}`)
  if (cursor.at > cursor.bytes.length) throw new CodecError('cut off within a field')
}

function takeText(cursor: Cursor): string {
  try {
    return decoder.decode(takeBytes(cursor))
  } catch (error) {
    throw error instanceof CodecError ? error : new CodecError('a string is not UTF-8')
  }
}

function takeValue(cursor: Cursor, type: string): unknown {
  if (type === 'u') return takeVarint(cursor)
  if (type === 't') return takeVarint(cursor) !== 0
  if (type === 's') return takeText(cursor)
  return type === 'b' ? takeBytes(cursor) : decodeValues(type, takeBytes(cursor))
}

function decodeValues(message: string, bytes: Uint8Array): Values {
  const values: Values = {}
  const rows = fields(message)
  for (const { name, label } of rows) if (label === '*') values[name] = []
  const cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) {
    const key = takeVarint(cursor)
    const wireType = key % 8
    const field = rows.find(({ number }) => number === (key - wireType) / 8)
    const wanted = field && (field.type === 'u' || field.type === 't' ? varint : extent)
    if (field === undefined || wireType !== wanted) skip(cursor, wireType)
    else if (field.label === '*') (values[field.name] as unknown[]).push(takeValue(cursor, field.type))
    else values[field.name] = takeValue(cursor, field.type)
  }
  const missing = rows.find(({ name, label }) => label === '!' && values[name] === undefined)
  if (missing !== undefined) throw new CodecError(`${message} without ${missing.name}`)
  return values
}

/** Bytes fields share memory with `bytes`. @throws CodecError */
export function decode<Name extends keyof Messages>(message: Name, bytes: Uint8Array): Messages[Name] {
  return decodeValues(message, bytes) as unknown as Messages[Name]
}
