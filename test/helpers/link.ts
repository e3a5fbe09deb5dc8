/** One connection of a test to a gateway: packets written, and packets awaited with a deadline. */
import type { Duplex } from 'node:stream'
import { createFrameReader } from '../../gateway/codec/frame.js'
import { encodePacket } from '../../gateway/codec/packet.js'
import {
  type BodyOf,
  type CommandName,
  commandName,
  commands,
  type WritableBodyOf,
} from '../../schemas/packets.js'

/** Every answer of the server comes within 10 s (spec 1, "When a client misbehaves"). */
export const answerWithin_ms = 10_500
const maxPacketBytes = 8 * 1024 * 1024

export interface Packet<Name extends CommandName = CommandName> {
  readonly name: Name
  readonly seq: number
  readonly body: BodyOf<Name>
}

interface Wait<Name extends CommandName> {
  readonly match?: (body: BodyOf<Name>, seq: number) => boolean
  readonly within_ms?: number
}

export interface Link {
  readonly stream: Duplex
  /** What has arrived and was not taken by `next`. */
  readonly inbox: readonly Packet[]
  write(bytes: Uint8Array): void
  /** Writes a packet; returns its seq_num. */
  put<Name extends CommandName>(name: Name, body: WritableBodyOf<Name>): number
  /** The next packet of this command that matches, taken out of the inbox. Rejects at the deadline or the close. */
  next<Name extends CommandName>(name: Name, wait?: Wait<Name>): Promise<Packet<Name>>
  /** Writes a request and resolves with the body of its answer. Rejects with the ERROR_NOTIFY that came instead. */
  ask<Asked extends CommandName, Told extends CommandName>(
    name: Asked,
    body: WritableBodyOf<Asked>,
    answer: Told,
  ): Promise<BodyOf<Told>>
  /** A heartbeat there and back: what the gateway wrote before it has arrived. */
  settle(): Promise<void>
  isClosed(): boolean
  /** Resolves when the other side has closed. */
  closed(within_ms?: number): Promise<void>
  /** Cuts the connection without a logout. */
  cut(): void
}

interface Waiter {
  readonly takes: (packet: Packet) => boolean
  readonly resolve: (packet: Packet) => void
  readonly reject: (reason: Error) => void
}

/** Packets in the order of their arrival, and who waits for one. */
function createInbox() {
  const packets: Packet[] = []
  const waiters = new Set<Waiter>()
  let end: Error | undefined

  return {
    packets,
    add(packet: Packet): void {
      for (const waiter of waiters)
        if (waiter.takes(packet)) {
          waiter.resolve(packet)
          return
        }
      packets.push(packet)
    },
    take(takes: Waiter['takes'], what: string, within_ms: number): Promise<Packet> {
      const at = packets.findIndex(takes)
      if (at >= 0) return Promise.resolve(packets.splice(at, 1)[0]!)
      if (end !== undefined) return Promise.reject(new Error(`${what}: ${end.message}`))
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          const others = packets.map(({ name }) => name).join(', ')
          waiter.reject(new Error(`no ${what} within ${within_ms} ms; there came: ${others || 'nothing'}`))
        }, within_ms)
        const settle = () => {
          clearTimeout(late)
          waiters.delete(waiter)
        }
        const waiter: Waiter = {
          takes,
          resolve(packet) {
            settle()
            resolve(packet)
          },
          reject(reason) {
            settle()
            reject(reason)
          },
        }
        waiters.add(waiter)
      })
    },
    close(reason: Error): void {
      end ??= reason
      for (const waiter of waiters) waiter.reject(end)
    },
  }
}

/** @param onPacket sees each packet before whoever waits for it */
export function linkOn(stream: Duplex, onPacket: (packet: Packet) => void): Link {
  const inbox = createInbox()
  const reader = createFrameReader({ maxPacketBytes })
  let isClosed = false
  let seq = 0
  let onClosed = () => {}
  const closing = new Promise<void>((resolve) => {
    onClosed = resolve
  })

  const onEnd = () => {
    isClosed = true
    inbox.close(new Error('the connection was closed'))
    onClosed()
  }
  for (const event of ['error', 'end', 'close']) stream.on(event, onEnd)
  stream.on('data', (chunk: Buffer) => {
    for (const frame of reader.push(chunk).frames) {
      const name = commandName(frame.commandId)
      if (name === undefined) throw new Error(`the server sent the unknown command ${frame.commandId}`)
      const body = commands[name].type.decode(Buffer.from(frame.body))
      const packet = { name, seq: frame.seq, body } as Packet
      onPacket(packet)
      inbox.add(packet)
    }
  })

  const put: Link['put'] = (name, body) => {
    seq = (seq % 65_535) + 1
    stream.write(encodePacket(name, seq, body))
    return seq
  }

  const ask: Link['ask'] = async (name, body, answer) => {
    const asked = put(name, body)
    const takes = (packet: Packet) =>
      packet.seq === asked && (packet.name === answer || packet.name === 'ERROR_NOTIFY')
    const packet = await inbox.take(takes, answer, answerWithin_ms)
    if (packet.name === answer) return packet.body as never
    const { result_code, result_string } = packet.body as BodyOf<'ERROR_NOTIFY'>
    throw Object.assign(new Error(`ERROR_NOTIFY ${result_code}: ${result_string}`), { result_code })
  }

  return {
    stream,
    inbox: inbox.packets,
    write: (bytes) => void stream.write(bytes),
    put,
    async next(name, { match, within_ms = answerWithin_ms } = {}) {
      const takes = (packet: Packet) =>
        packet.name === name && (match === undefined || match(packet.body as never, packet.seq))
      return (await inbox.take(takes, name, within_ms)) as never
    },
    ask,
    settle: async () => void (await ask('HEARTBEAT', {}, 'HEARTBEAT')),
    isClosed: () => isClosed,
    closed: (within_ms = answerWithin_ms) => beforeDeadline(closing, within_ms),
    cut: () => void stream.destroy(),
  }
}

async function beforeDeadline(promise: Promise<void>, within_ms: number): Promise<void> {
  let late: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`not closed within ${within_ms} ms`)), within_ms)
  })
  await Promise.race([promise, deadline]).finally(() => clearTimeout(late))
}
