/** HEARTBEAT: each is answered with one, by the gate itself, suspended or not. */
import { commands } from '../../schemas/packets.js'
import type { Verb } from './verb.js'

const empty = new Uint8Array(0)

export const heartbeat: Verb<'HEARTBEAT'> = (gate, connection, seq) =>
  gate.writer.bytes(connection, commands.HEARTBEAT.id, seq, empty)
