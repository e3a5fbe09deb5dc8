/** Packets into bytes and out of them: the header of sixteen bytes, big-endian, and what follows it. */
import { decode, encode } from './codec.js'
import { commands } from './gen/protocol.js'
import { type Body, type CommandName, commandName, type Writable } from './wire.js'

const headerBytes = 16
const version = 1
/** The server's longest answer is 4 MiB by default, 5 MiB at most. */
const maxPacketBytes = 8 * 1024 * 1024

/** A packet that arrived. */
export type Packet = {
  [Name in CommandName]: { readonly name: Name; readonly seq: number; readonly body: Body<Name> }
}[CommandName]

/** A whole packet of a command. @throws CodecError where the body lacks a required field */
export function writePacket<Name extends CommandName>(
  name: Name,
  seq: number,
  body: Writable<Body<Name>>,
): Uint8Array {
  const [id, message] = commands[name]
  const encoded = encode(message, body as never)
  const packet = new Uint8Array(headerBytes + encoded.length)
  const header = new DataView(packet.buffer)
  header.setUint32(0, packet.length)
  header.setUint16(4, version)
  header.setUint16(10, id)
  header.setUint16(12, seq)
  packet.set(encoded, headerBytes)
  return packet
}

export interface PacketReader {
  /**
   * The packets that these bytes complete; commands that this library does not know are passed over.
   * @throws Error where what came is not this protocol: the connection is of no more use
   */
  push(chunk: Uint8Array): Packet[]
}

/** Cuts packets out of bytes that arrive in any pieces. */
export function createPacketReader(): PacketReader {
  let held = new Uint8Array(0)
  return {
    push(chunk) {
      const bytes = held.length === 0 ? chunk : joined(held, chunk)
      const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const packets: Packet[] = []
      let at = 0
      while (bytes.length - at >= headerBytes) {
        const length = header.getUint32(at)
        if (length < headerBytes || length > maxPacketBytes) throw new Error(`a packet of ${length} bytes`)
        if (bytes.length - at < length) break
        const name = commandName(header.getUint16(at + 10))
        const body = bytes.subarray(at + headerBytes, at + length)
        if (name !== undefined)
          packets.push({
            name,
            seq: header.getUint16(at + 12),
            body: decode(commands[name][1], body),
          } as Packet)
        at += length
      }
      held = bytes.slice(at)
      return packets
    },
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length)
  whole.set(first)
  whole.set(second, first.length)
  return whole
}
