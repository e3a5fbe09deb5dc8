/** Reading protobuf's primitives without trusting a byte of them. Nothing here throws. */

/** A place in a body, and where the message that is being read ends. */
export interface Cursor {
  readonly bytes: Uint8Array
  at: number
  end: number
}

export const wire = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const

/** What the readers return for bytes that end too early or do not come to an end. */
export const unreadable = -1

const maxValueBytes = 10
const maxTagBytes = 5 // tags and lengths are 32-bit numbers; the usual runtimes refuse longer ones

/**
 * A varint of at most ten bytes. Exact below 2^53; from there on rounded, but never to less than 2^53, so that a
 * comparison with a smaller bound stays true.
 */
export function readVarint(cursor: Cursor, maxBytes = maxValueBytes): number {
  const { bytes, end } = cursor
  let value = 0
  let scale = 1
  const last = Math.min(end, cursor.at + maxBytes)
  for (let at = cursor.at; at < last; at++) {
    const byte = bytes[at]!
    if (byte < 0x80) {
      cursor.at = at + 1
      return value + byte * scale
    }
    value += (byte & 0x7f) * scale
    scale *= 128
  }
  return unreadable
}

/** Field number and wire type in one 32-bit number; `unreadable` also for field number 0. */
export function readTag(cursor: Cursor): number {
  const tag = readVarint(cursor, maxTagBytes)
  return tag < 8 || tag > 0xffff_ffff ? unreadable : tag
}

/** The end of a length-delimited value, whose first byte is then at the cursor; `unreadable` beyond the message. */
export function readExtent(cursor: Cursor): number {
  const length = readVarint(cursor, maxTagBytes)
  return length === unreadable || length > cursor.end - cursor.at ? unreadable : cursor.at + length
}

/** Steps over the value of a field not known; false where it is cut off or of a wire type that is not in use (groups too). */
export function skipValue(cursor: Cursor, wireType: number): boolean {
  if (wireType === wire.varint) return readVarint(cursor) !== unreadable
  if (wireType === wire.lengthDelimited) {
    const end = readExtent(cursor)
    if (end !== unreadable) cursor.at = end
    return end !== unreadable
  }
  if (wireType !== wire.fixed64 && wireType !== wire.fixed32) return false
  cursor.at += wireType === wire.fixed64 ? 8 : 4
  return cursor.at <= cursor.end
}
