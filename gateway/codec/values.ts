/** The checks of single values, one per protobuf type: what protobufjs would round, repair or let pass is refused. */
import { isUtf8 } from 'node:buffer'
import type { FieldLimit } from '../../schemas/fields.js'
import { type Cursor, readExtent, readVarint, unreadable } from './cursor.js'

/** Reads one value. The rule that it breaks, or `undefined`, and then the cursor stands behind it. */
export type ValueCheck = (cursor: Cursor) => string | undefined

const cutOff = 'is cut off'
const firstUnsafeInteger = 2 ** 53
const largestUint32 = 2 ** 32 - 1

export const checkUint64: ValueCheck = (cursor) => {
  const value = readVarint(cursor)
  if (value === unreadable) return cutOff
  return value < firstUnsafeInteger ? undefined : 'is not below 2^53'
}

export const checkUint32: ValueCheck = (cursor) => {
  const value = readVarint(cursor)
  if (value === unreadable) return cutOff
  return value <= largestUint32 ? undefined : 'is not below 2^32'
}

export const checkBool: ValueCheck = (cursor) => (readVarint(cursor) === unreadable ? cutOff : undefined)

/** One of the enum's values; a negative one is a varint beyond 2^53 and so never is. */
export const checkEnum = (values: readonly number[]): ValueCheck => {
  const known = new Set(values)
  return (cursor) => {
    const value = readVarint(cursor)
    if (value === unreadable) return cutOff
    return known.has(value) ? undefined : 'is not a known value'
  }
}

export const checkBytes = (limit: FieldLimit | undefined): ValueCheck => {
  const max = limit?.max ?? Number.POSITIVE_INFINITY
  return (cursor) => {
    const end = readExtent(cursor)
    if (end === unreadable) return cutOff
    if (end - cursor.at > max) return `is longer than ${max} bytes`
    cursor.at = end
    return undefined
  }
}

const maxBytesOfCharacter = 4

/** UTF-8 without U+0000, which PostgreSQL cannot store, and within its limit. */
export const checkString = (limit: FieldLimit | undefined): ValueCheck => {
  const { unit, min, max } = limit ?? { unit: 'bytes', min: 0, max: Number.POSITIVE_INFINITY }
  const maxBytes = unit === 'characters' ? max * maxBytesOfCharacter : max
  const tooLong = `is longer than ${max} ${unit}`
  return (cursor) => {
    const { bytes } = cursor
    const end = readExtent(cursor)
    if (end === unreadable) return cutOff
    if (end - cursor.at > maxBytes) return tooLong

    // One pass by hand: strings are short and mostly ASCII, and a call of isUtf8 costs more than reading them.
    let continuationBytes = 0
    let ascii = true
    for (let i = cursor.at; i < end; i++) {
      const byte = bytes[i]!
      if (byte === 0) return 'holds U+0000'
      if (byte < 0x80) continue
      ascii = false
      if (byte < 0xc0) continuationBytes++
    }
    if (!ascii && !isUtf8(bytes.subarray(cursor.at, end))) return 'is not UTF-8'
    const length = end - cursor.at - (unit === 'characters' ? continuationBytes : 0)
    if (length > max) return tooLong
    if (length < min) return 'is empty'
    cursor.at = end
    return undefined
  }
}
