/** Protobuf written by hand, so that a test can also write it wrong. */

/** A varint; `padTo` writes it longer than need be. */
export function varint(value: number | bigint, padTo = 1): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest > 0x7fn || bytes.length + 1 < padTo) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  return Buffer.from([...bytes, Number(rest)])
}

/** A field of wire type 0. */
export const number = (field: number, value: number | bigint): Buffer =>
  Buffer.concat([varint(field << 3), varint(value)])

/** A field of wire type 2: text, bytes, a message, or packed varints. */
export const delimited = (field: number, value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value as string)
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes])
}

/** A tag with any wire type, and whatever follows it. */
export const tagged = (field: number, wireType: number, value: Uint8Array = Buffer.alloc(0)): Buffer =>
  Buffer.concat([varint((field << 3) | wireType), value])
