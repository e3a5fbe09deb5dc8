/**
 * The few packets that the generator speaks, by hand: a message costs a copy of a template and a few bytes,
 * and nothing is shared with the code under test but the command ids.
 */
import { commands } from '../schemas/packets.js'

export const headerBytes = 16
const clientTypeAndroid = 1
const sessionTypeSingle = 1
const sessionTypeGroup = 2
const messageTypeText = 1

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** A field that is a number. */
export const number = (field: number, value: number) => Buffer.concat([varint(field << 3), varint(value)])
/** A field that is text or bytes. */
export function text(field: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes])
}

/** A whole packet. @param seqNum 1 … 65535 */
export function packet(commandId: number, seqNum: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt32BE(headerBytes + body.length, 0)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(commandId, 10)
  header.writeUInt16BE(seqNum, 12)
  return Buffer.concat([header, body])
}

/** What every message of the generator says: 100 bytes. */
export const messageText = Buffer.from(
  'A message of the benchmark: one hundred bytes of plain text, as a chat has them. '.padEnd(100, '.'),
)

export interface Account {
  readonly id: number
  readonly token: string
}

export function loginPacket({ id, token }: Account): Buffer {
  const nick = text(2, `bench ${id}`)
  const body = [number(1, id), nick, text(3, token), number(4, clientTypeAndroid), text(5, '1.0.0')]
  return packet(commands.AUTH_TOKEN_REQ.id, 1, Buffer.concat(body))
}

/** What a msg_id looks like: a UUID whose last 12 digits count the generator's messages. */
const countDigits = 12
const idOf = (tag: string) => `${tag}-0000-4000-8000-${'0'.repeat(countDigits)}`

function writeCount(buffer: Buffer, end: number, count: number): void {
  let rest = count
  for (let at = end - 1; at >= end - countDigits; at--) {
    buffer[at] = 48 + (rest % 10)
    rest = Math.floor(rest / 10)
  }
}

/** The count in a msg_id of ours. */
export function countOf(id: Buffer): number {
  let count = 0
  for (let at = id.length - countDigits; at < id.length; at++) count = count * 10 + (id[at] ?? 48) - 48
  return count
}

/** Makes packets that differ in seq_num and msg_id only. @param idEnd offset just behind the msg_id */
function stamper(template: Buffer, idEnd: number) {
  let seqNum = 1 // the login had 1
  return (count: number): Buffer => {
    const copy = Buffer.from(template)
    seqNum = seqNum === 65_535 ? 1 : seqNum + 1
    copy.writeUInt16BE(seqNum, 12)
    writeCount(copy, idEnd, count)
    return copy
  }
}

/** Makes the messages of one sender to one receiver. @param tag 8 hex digits, new for every generator */
export function messageStamper(from: number, to: number, tag: string, body: Buffer) {
  const before = Buffer.concat([number(1, from), number(2, to), text(3, idOf(tag))])
  const after = Buffer.concat([number(4, Date.now()), number(5, messageTypeText), text(6, body)])
  const template = packet(commands.MSG_DATA.id, 0, Buffer.concat([before, after]))
  return stamper(template, headerBytes + before.length)
}

/** Makes the receiver's acks of those messages. */
export const receiptStamper = (from: number, to: number, tag: string) =>
  receiptsOf(from, to, tag, sessionTypeSingle)

/** Makes the members' acks of messages to their group. */
export const groupReceiptStamper = (from: number, group: number, tag: string) =>
  receiptsOf(from, group, tag, sessionTypeGroup)

function receiptsOf(from: number, to: number, tag: string, sessionType: number) {
  const before = Buffer.concat([number(1, from), number(2, to), text(3, idOf(tag))])
  const after = Buffer.concat([number(4, 0), number(5, sessionType)])
  const template = packet(commands.MSG_DATA_ACK.id, 0, Buffer.concat([before, after]))
  return stamper(template, headerBytes + before.length)
}

/** A body's fields by number: numbers as such, everything with a length as bytes. */
export function fieldsOf(body: Buffer): Map<number, number | Buffer> {
  const fields = new Map<number, number | Buffer>()
  let at = 0
  const read = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = body[at++] ?? 0
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (at < body.length) {
    const tag = read()
    if ((tag & 7) === 0) fields.set(tag >> 3, read())
    else {
      const length = read()
      fields.set(tag >> 3, body.subarray(at, at + length))
      at += length
    }
  }
  return fields
}

/** Calls `take` for every whole packet of a stream that arrives in pieces. */
export function packetReader(
  take: (commandId: number, body: Buffer, seqNum: number) => void,
): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    let buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (buffer.length >= headerBytes) {
      const length = buffer.readUInt32BE(0)
      if (buffer.length < length) break
      take(buffer.readUInt16BE(10), buffer.subarray(headerBytes, length), buffer.readUInt16BE(12))
      buffer = buffer.subarray(length)
    }
    rest = buffer
  }
}
