/**
 * Judges the bytes of a body before anything is decoded (spec 1-wire, "When a client misbehaves", "Limits of fields").
 * protobufjs is forgiving: it skips a known field of another wire type, drops an enum value that it does not know,
 * rounds a u64 and repairs broken UTF-8. Here each of these is a reason to refuse. Fields not known are skipped, as a
 * newer client may send them. On the hot path: every packet of a client passes here.
 */
import { enumValues, type FieldRow, messageFields } from '../../proto/gen/descriptor.js'
import { type FieldLimit, messageLimits } from '../../schemas/fields.js'
import type { MessageName } from '../../schemas/packets.js'
import { type Cursor, readExtent, readTag, skipValue, unreadable, wire } from './cursor.js'
import {
  checkBool,
  checkBytes,
  checkEnum,
  checkString,
  checkUint32,
  checkUint64,
  type ValueCheck,
} from './values.js'

interface CheckedField {
  readonly name: string
  readonly number: number
  readonly wireType: number
  readonly value: ValueCheck
  /** Elements of varints may come one by one or packed (proto2 writes the first, parsers take both). */
  readonly packable: boolean
  readonly maxItems: number
  readonly requiredBit: number
}

/** A message's fields by number, and the bits that all required ones make together. */
interface CheckedMessage {
  readonly fields: readonly (CheckedField | undefined)[]
  readonly requiredBits: number
}

const notProtobuf = 'is not protobuf'

const scalarChecks: Readonly<Record<string, ValueCheck>> = {
  uint64: checkUint64,
  uint32: checkUint32,
  bool: checkBool,
}

const checkedMessages = new Map<string, CheckedMessage>()
for (const name of Object.keys(messageFields)) checkedMessage(name as MessageName)

/**
 * Why a body may not be decoded as this message: field and rule, as in `nick_name is longer than 32 characters`.
 * `undefined`: it may. Never throws. The size of msg_data is not judged here: it has a setting and its own answer.
 */
export function checkBody(message: MessageName, body: Uint8Array): string | undefined {
  const broken = checkMessage(checkedMessages.get(message)!, { bytes: body, at: 0, end: body.length })
  return broken === notProtobuf ? `the body ${broken}` : broken
}

function checkMessage(message: CheckedMessage, cursor: Cursor): string | undefined {
  let seen = 0
  let counts: number[] | undefined
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === unreadable) return notProtobuf
    const wireType = tag & 7
    const field = message.fields[tag >>> 3]
    if (field === undefined) {
      if (!skipValue(cursor, wireType)) return notProtobuf
      continue
    }
    seen |= field.requiredBit
    let items = 1
    if (wireType === field.wireType) {
      const broken = field.value(cursor)
      if (broken !== undefined) return `${field.name}${broken.startsWith('.') ? '' : ' '}${broken}`
    } else if (field.packable && wireType === wire.lengthDelimited) {
      const counted = checkPacked(field, cursor)
      if (typeof counted === 'string') return `${field.name} ${counted}`
      items = counted
    } else {
      return `${field.name} has the wrong wire type`
    }
    if (field.maxItems === Number.POSITIVE_INFINITY) continue
    counts ??= []
    const total = (counts[field.number] ?? 0) + items
    if (total > field.maxItems) return `${field.name} has more than ${field.maxItems} items`
    counts[field.number] = total
  }
  return seen === message.requiredBits ? undefined : `${firstMissing(message, seen)} is missing`
}

/** Elements one after the other in one length-delimited value: their number, or the rule that one breaks. */
function checkPacked(field: CheckedField, cursor: Cursor): number | string {
  const end = readExtent(cursor)
  if (end === unreadable) return 'is cut off'
  const outerEnd = cursor.end
  cursor.end = end
  let items = 0
  while (cursor.at < end) {
    const broken = field.value(cursor)
    if (broken !== undefined) return broken
    items++
  }
  cursor.end = outerEnd
  return items
}

/** A message inside a message. Of one that comes twice each must be whole, though parsers would merge them. */
function checkNested(message: CheckedMessage): ValueCheck {
  return (cursor) => {
    const end = readExtent(cursor)
    if (end === unreadable) return 'is cut off'
    const outerEnd = cursor.end
    cursor.end = end
    const broken = checkMessage(message, cursor)
    cursor.end = outerEnd
    return broken === undefined || broken === notProtobuf ? broken : `.${broken}`
  }
}

function firstMissing(message: CheckedMessage, seen: number): string {
  return message.fields.find((field) => field && field.requiredBit & ~seen)?.name ?? ''
}

/** The table of a message, made once, after those of the messages in it. */
function checkedMessage(name: MessageName): CheckedMessage {
  const made = checkedMessages.get(name)
  if (made) return made
  const fields: (CheckedField | undefined)[] = []
  let requiredBits = 0
  for (const row of messageFields[name] as readonly FieldRow[]) {
    const requiredBit = row[2] === 'required' ? requiredBits + 1 : 0 // the next higher bit
    requiredBits |= requiredBit
    fields[row[0]] = checkedField(row, messageLimits[name]?.[row[1]] ?? [], requiredBit)
  }
  const message = { fields: Array.from(fields), requiredBits }
  checkedMessages.set(name, message)
  return message
}

function checkedField(row: FieldRow, limits: readonly FieldLimit[], requiredBit: number): CheckedField {
  const [number, name, label, type] = row
  const value = valueCheck(
    type,
    limits.find(({ unit }) => unit !== 'items'),
  )
  const delimited = type === 'string' || type === 'bytes' || type in messageFields
  return {
    name,
    number,
    value,
    requiredBit,
    wireType: delimited ? wire.lengthDelimited : wire.varint,
    packable: label === 'repeated' && !delimited,
    maxItems: limits.find(({ unit }) => unit === 'items')?.max ?? Number.POSITIVE_INFINITY,
  }
}

function valueCheck(type: string, limit: FieldLimit | undefined): ValueCheck {
  if (type === 'string') return checkString(limit)
  if (type === 'bytes') return checkBytes(limit)
  if (type in messageFields) return checkNested(checkedMessage(type as MessageName))
  const check = scalarChecks[type] ?? (enumValues[type] && checkEnum(enumValues[type]))
  if (!check) throw new Error(`no check for fields of type ${type}`)
  return check
}
