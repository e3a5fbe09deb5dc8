/** Packets out of bytes and into bytes (spec 1-wire, "Header"). Knows the header, not what a body means. */

/** length u32, version u16, flag u16, service_id u16, command_id u16, seq_num u16, reserved u16; all big-endian. */
export const headerBytes = 16
const protocolVersion = 1

/** One whole packet. `body` shares memory with what was received. */
export interface Frame {
  readonly commandId: number
  readonly seq: number
  readonly body: Buffer
}

/** Why a connection cannot go on: an impossible length (close at once), or a version that is not ours (notify, close). */
export type Violation =
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'version'; readonly version: number; readonly commandId: number; readonly seq: number }

/** The whole packets that a chunk completed, in order, and what stopped the reader behind them, if anything. */
export interface Received {
  readonly frames: readonly Frame[]
  readonly violation?: Violation
}

export interface FrameReader {
  /** Takes the next bytes of the connection. After a violation every further chunk is answered with the same. */
  push(chunk: Buffer): Received
  /** Bytes of a packet that has not arrived whole. */
  pendingBytes(): number
}

/** Settings of a reader: the longest packet, header included, that it takes. */
interface FrameLimits {
  readonly maxPacketBytes: number
}

/** The violation of the header that begins at `at`, judged as early as its bytes allow; undefined: none so far. */
function headerViolation(
  bytes: Buffer,
  at: number,
  end: number,
  maxPacketBytes: number,
): Violation | undefined {
  if (end - at < 4) return undefined
  const length = bytes.readUInt32BE(at)
  if (length < headerBytes || length > maxPacketBytes) return { kind: 'length', length }
  if (end - at < headerBytes) return undefined
  const version = bytes.readUInt16BE(at + 4)
  if (version === protocolVersion) return undefined
  return {
    kind: 'version',
    version,
    commandId: bytes.readUInt16BE(at + 10),
    seq: bytes.readUInt16BE(at + 12),
  }
}

const frameAt = (bytes: Buffer, at: number, length: number): Frame => ({
  commandId: bytes.readUInt16BE(at + 10),
  seq: bytes.readUInt16BE(at + 12),
  body: bytes.subarray(at + headerBytes, at + length),
})

const nothing: Buffer = Buffer.alloc(0)
const firstHeldBytes = 256

/**
 * Splits a connection's bytes into packets, however they are cut. Packets that arrive whole are not copied, so the
 * chunks must not be written to again. What is held of an unfinished packet is at most twice what has arrived of it,
 * and each byte is copied a bounded number of times.
 */
export function createFrameReader({ maxPacketBytes }: FrameLimits): FrameReader {
  let held = nothing // the start of an unfinished packet, with room for more
  let heldBytes = 0
  let stopped: Violation | undefined

  const hold = (chunk: Buffer, from: number, to: number): void => {
    const needed = heldBytes + to - from
    if (needed > held.length) {
      const larger = Buffer.allocUnsafe(
        Math.max(firstHeldBytes, needed, Math.min(held.length * 2, maxPacketBytes)),
      )
      held.copy(larger, 0, 0, heldBytes)
      held = larger
    }
    chunk.copy(held, heldBytes, from, to)
    heldBytes = needed
  }

  /** Moves bytes of the chunk to the held packet until that is `wanted` long; the number of bytes moved. */
  const topUp = (chunk: Buffer, at: number, wanted: number): number => {
    const moved = Math.min(Math.max(0, wanted - heldBytes), chunk.length - at)
    hold(chunk, at, at + moved)
    return moved
  }

  /** Goes on with the held packet; the number of bytes taken from the chunk. */
  const finishHeld = (chunk: Buffer, frames: Frame[]): number => {
    let at = topUp(chunk, 0, headerBytes)
    stopped = headerViolation(held, 0, heldBytes, maxPacketBytes)
    if (stopped || heldBytes < headerBytes) return at
    const length = held.readUInt32BE(0)
    at += topUp(chunk, at, length)
    if (heldBytes < length) return at
    frames.push(frameAt(held, 0, length))
    held = nothing
    heldBytes = 0
    return at
  }

  const push = (chunk: Buffer): Received => {
    const frames: Frame[] = []
    let at = 0
    if (!stopped && heldBytes > 0) at = finishHeld(chunk, frames)
    while (!stopped && at < chunk.length) {
      stopped = headerViolation(chunk, at, chunk.length, maxPacketBytes)
      if (stopped) break
      const left = chunk.length - at
      const length = left < headerBytes ? Number.POSITIVE_INFINITY : chunk.readUInt32BE(at)
      if (left < length) {
        hold(chunk, at, chunk.length)
        break
      }
      frames.push(frameAt(chunk, at, length))
      at += length
    }
    if (!stopped) return { frames }
    held = nothing
    heldBytes = 0
    return { frames, violation: stopped }
  }

  return { push, pendingBytes: () => heldBytes }
}

const setHeader = (packet: Buffer, commandId: number, seq: number, length: number): void => {
  packet.writeUInt32BE(length, 0)
  packet.writeUInt32BE(protocolVersion << 16, 4) // version, flag 0
  packet.writeUInt32BE(commandId, 8) // service_id 0, command_id
  packet.writeUInt32BE(seq * 65_536, 12) // seq_num, reserved 0
}

/** A whole packet: header and body. `seq` is 0 … 65535. */
export function writePacket(commandId: number, seq: number, body: Uint8Array): Buffer {
  const packet = Buffer.allocUnsafe(headerBytes + body.length)
  setHeader(packet, commandId, seq, packet.length)
  packet.set(body, headerBytes)
  return packet
}

/** Only the header of a packet, for a body that is written from where it lies. */
export function writeHeader(commandId: number, seq: number, bodyBytes: number): Buffer {
  const header = Buffer.allocUnsafe(headerBytes)
  setHeader(header, commandId, seq, headerBytes + bodyBytes)
  return header
}
