/** Everyone who is online, each on a TCP connection of its own, and what one push to all of them is like for them. */
import { setTimeout as pause } from 'node:timers/promises'
import { commands } from '../../schemas/packets.js'
import { type Spread, spreadOf } from '../journal.js'
import { beatFor, hangUp, logInAll } from '../login.js'
import { type Account, fieldsOf, number, packet, text } from '../wire.js'

export interface AudienceOrder {
  /** host:port of each gateway. */
  readonly gates: readonly string[]
  readonly listeners: readonly Account[]
}

export interface BroadcastOrder {
  /** host:port of the REST API. */
  readonly http: string
  readonly apiKey: string
  readonly push_id: string
}

/** Times in ms from when the push was asked for. */
export interface BroadcastFigures {
  readonly received: number
  /** Deliveries beyond a listener's first. */
  readonly doubled: number
  /** The answer to whoever asked for it. */
  readonly answered: number
  readonly each: Spread
  /** A heartbeat and its answer, every 20 ms meanwhile: what others of the gateway feel. */
  readonly heartbeat: Spread
}

export interface Audience {
  /** Asks for one push to everyone, and waits until all have it, or nothing comes any more. */
  broadcast(order: BroadcastOrder): Promise<BroadcastFigures>
  close(): Promise<void>
}

const loginsAtOnce = 100
const beat_ms = 20
const giveUp_ms = 15_000
/** Receivers that are not known to have acked get a push again after 5 s: that is waited for, to see it. */
const repeats_ms = 7_000

/** @throws when a login fails */
export async function openAudience(order: AudienceOrder): Promise<Audience> {
  const { gates, listeners } = order
  const peers = await logInAll(gates, listeners, loginsAtOnce)
  const heartbeat = beatFor(peers)

  async function broadcast({ http, apiKey, push_id }: BroadcastOrder): Promise<BroadcastFigures> {
    const delays: number[] = []
    const beats: number[] = []
    const has = new Uint8Array(peers.length)
    let doubled = 0
    let beaten = 0
    const begun = performance.now()
    for (const [at, peer] of peers.entries()) {
      const { id } = listeners[at]!
      peer.take = (commandId, body) => {
        if (commandId === commands.HEARTBEAT.id && at === 0 && beaten > 0) {
          beats.push(performance.now() - beaten)
          beaten = 0
        }
        if (commandId !== commands.PUSH_DATA.id || String(fieldsOf(body).get(2)) !== push_id) return
        peer.socket.write(
          packet(commands.PUSH_DATA_ACK.id, 2, Buffer.concat([number(1, id), text(2, push_id)])),
        )
        if (has[at] === 1) doubled += 1
        else delays.push(performance.now() - begun)
        has[at] = 1
      }
    }
    const beating = setInterval(() => {
      if (beaten > 0) return
      beaten = performance.now()
      peers[0]!.socket.write(packet(commands.HEARTBEAT.id, 1))
    }, beat_ms)
    const response = await fetch(`http://${http}/v1/pushes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ push_id, push_type: 'bench', to: { online: true }, text: 'x'.repeat(100) }),
    })
    const answered = performance.now() - begun
    if (response.status !== 201) throw new Error(`the push was answered ${response.status}`)
    while (delays.length < peers.length && performance.now() - begun < giveUp_ms) await pause(50)
    clearInterval(beating)
    await pause(repeats_ms)
    return { received: delays.length, doubled, answered, each: spreadOf(delays), heartbeat: spreadOf(beats) }
  }

  return {
    broadcast,
    async close() {
      clearInterval(heartbeat)
      await hangUp(peers)
    },
  }
}
