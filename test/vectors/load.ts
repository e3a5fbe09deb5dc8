/** Packets made by another protobuf runtime, and bytes that no client should send: vectors.json of the wire's contract. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FieldRow, messageFields } from '../../proto/gen/descriptor.js'
import { type CommandName, commandName, commands, type MessageName } from '../../schemas/packets.js'

/** A field as vectors.json writes it: u64 as a string of digits, bytes as base64. */
type JsonValue = string | number | boolean | JsonFields | readonly JsonValue[]
interface JsonFields {
  readonly [name: string]: JsonValue
}

interface PacketVector {
  readonly name: string
  readonly command_id: string
  readonly seq_num: number
  readonly message: string
  readonly fields: JsonFields
  readonly packet: string
}

interface MalformedVector {
  readonly name: string
  readonly bytes: string
  readonly expect: string
}

const repository = join(import.meta.dirname, '../../..') // from dist/test/vectors
export const ownFile = join(repository, 'test/vectors/vectors.json')
/** Where the contract's own copy lies beside the checkout, if it does. */
export const contractFile = join(repository, '../shared/spec/vectors.json')
export const contractIsHere = existsSync(contractFile)

export const vectors: { packets: readonly PacketVector[]; malformed: readonly MalformedVector[] } =
  JSON.parse(readFileSync(ownFile, 'utf8'))

/** The command of a vector, by name. */
export const commandOf = (vector: PacketVector): CommandName => commandName(Number(vector.command_id))!

/** The fields of a vector as values: numbers, Buffers, nested messages. */
export const bodyOf = (vector: PacketVector) =>
  convert(commands[commandOf(vector)].message, vector.fields, fromJson)

/** The fields of a decoded body as vectors.json would write them, absent ones left out. */
export const toFields = (message: MessageName, body: object) => convert(message, body as JsonFields, toJson)

type Convert = (type: string, value: unknown) => unknown

function convert(message: MessageName, fields: object, scalar: Convert): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [, name, label, type] of messageFields[message] as readonly FieldRow[]) {
    const value: unknown = fields[name as keyof typeof fields]
    if (value === undefined || value === null) continue
    const one = (item: unknown) =>
      type in messageFields ? convert(type as MessageName, item as object, scalar) : scalar(type, item)
    if (label !== 'repeated') result[name] = one(value)
    else if ((value as unknown[]).length > 0) result[name] = (value as unknown[]).map(one)
  }
  return result
}

function fromJson(type: string, value: unknown): unknown {
  if (type === 'uint64') return Number(value)
  return type === 'bytes' ? Buffer.from(String(value), 'base64') : value
}

function toJson(type: string, value: unknown): unknown {
  if (type === 'uint64') return String(value)
  return type === 'bytes' ? (value as Buffer).toString('base64') : value
}
