/** One connection: packets written and read, requests and their answers, heartbeats. It ends once and for all. */
import { ChatError, refusal } from './chat-error.js'
import { createPacketReader, type Packet, writePacket } from './frame.js'
import { commands } from './gen/protocol.js'
import type { OpenTransport } from './transport.js'
import type { Asked, Body, CommandName, Question, Told, Writable } from './wire.js'

export interface Link {
  /** Writes a packet; its seq_num. */
  put<Name extends CommandName>(name: Name, body: Writable<Body<Name>>): number
  /** Writes a request; rejects with a ChatError where it is refused, late, or the link ends before the answer. */
  ask<Name extends Question>(name: Name, body: Asked<Name>): Promise<Told<Name>>
  close(reason: string): void
}

interface LinkOptions {
  readonly open: OpenTransport
  readonly address: string
  readonly heartbeat_ms: number
  readonly answerWithin_ms: number
  onOpen(link: Link): void
  /** Packets that are no answers to `ask`. */
  onPacket(packet: Packet): void
  onClose(reason: string): void
}

interface Waiting {
  readonly name: string
  readonly command_id: number
  resolve(body: unknown): void
  reject(error: ChatError): void
}

/** Who waits for which seq_num. */
function createWaiting(within_ms: number) {
  const waiting = new Map<number, Waiting>()
  const take = (seq: number, fits: (each: Waiting) => boolean): Waiting | undefined => {
    const found = waiting.get(seq)
    if (found === undefined || !fits(found)) return undefined
    waiting.delete(seq)
    return found
  }
  return {
    add: (seq: number, name: string, command_id: number): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          waiting.delete(seq)
          reject(new ChatError('late', `${name}: no answer within ${within_ms} ms`))
        }, within_ms)
        const settle =
          <Value>(finish: (value: Value) => void) =>
          (value: Value) => {
            clearTimeout(late)
            finish(value)
          }
        waiting.set(seq, { name, command_id, resolve: settle(resolve), reject: settle(reject) })
      }),
    /** True where somebody waited for this packet. */
    answer(packet: Packet): boolean {
      if (packet.name === 'ERROR_NOTIFY') {
        const { seq_num, command_id, result_code, result_string } = packet.body
        const refused = take(seq_num, (each) => each.command_id === command_id)
        refused?.reject(refusal(refused.name, result_code, result_string))
        return refused !== undefined
      }
      const asked = take(packet.seq, (each) => packet.name === `${each.name}_RSP`)
      asked?.resolve(packet.body)
      return asked !== undefined
    },
    fail(reason: string): void {
      for (const each of waiting.values()) each.reject(new ChatError('lost', `${each.name}: ${reason}`))
      waiting.clear()
    },
  }
}

/** A server that has not answered a heartbeat for this long after it was due is gone. */
const silence_ms = 10_000

/** Begins to connect. */
export function openLink(options: LinkOptions): Link {
  const { onPacket, onClose, heartbeat_ms } = options
  const waiting = createWaiting(options.answerWithin_ms)
  const reader = createPacketReader()
  let heard_at = Date.now()
  let seq = 0
  let isOver = false

  const end = (reason: string): void => {
    if (isOver) return
    isOver = true
    clearInterval(beating)
    transport.close()
    waiting.fail(reason)
    onClose(reason)
  }
  const link: Link = {
    put(name, body) {
      seq = (seq % 65_535) + 1
      transport.send(writePacket(name, seq, body))
      return seq
    },
    ask(name, body) {
      if (isOver) return Promise.reject(new ChatError('lost', `${name}: the connection is closed`))
      const request = `${name}_REQ` as CommandName
      const asked = link.put(request, body as never)
      return waiting.add(asked, name, commands[request][0]) as never
    },
    close: end,
  }
  const transport = options.open(options.address, {
    onOpen: () => options.onOpen(link),
    onBytes(bytes) {
      heard_at = Date.now()
      try {
        for (const packet of reader.push(bytes)) if (!isOver && !waiting.answer(packet)) onPacket(packet)
      } catch (error) {
        end(`what came is not this protocol: ${(error as Error).message}`)
      }
    },
    onClose: end,
  })
  const beating = setInterval(() => {
    if (Date.now() - heard_at > heartbeat_ms + silence_ms) return end('the server is silent')
    link.put('HEARTBEAT', {})
  }, heartbeat_ms)
  return link
}
