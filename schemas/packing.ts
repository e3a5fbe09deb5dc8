/** Many events in one record: each with its length (u32, big-endian) before it. */

const lengthBytes = 4

/** One record's value from the bytes of its events. */
export function packEvents(events: readonly Uint8Array[]): Buffer {
  let size = 0
  for (const each of events) size += lengthBytes + each.length
  const value = Buffer.allocUnsafe(size)
  let at = 0
  for (const each of events) {
    at = value.writeUInt32BE(each.length, at)
    value.set(each, at)
    at += each.length
  }
  return value
}

/**
 * The bytes of a record's events, which share its memory.
 * @throws RangeError where a length does not fit
 */
export function unpackEvents(value: Buffer): Buffer[] {
  const events: Buffer[] = []
  for (let at = 0; at < value.length; ) {
    const end = at + lengthBytes + value.readUInt32BE(at)
    if (end > value.length)
      throw new RangeError(`an event of ${end - at} bytes in a record of ${value.length}`)
    events.push(value.subarray(at + lengthBytes, end))
    at = end
  }
  return events
}
