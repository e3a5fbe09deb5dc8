/** Bodies of packets in and out: checked before they are decoded, typed by their command. */
import { type BodyOf, type CommandName, commands, type WritableBodyOf } from '../../schemas/packets.js'
import { checkBody } from './check.js'
import { writePacket } from './frame.js'

/** A body, or why it is a BAD_REQUEST. */
export type Decoded<Body> =
  | { readonly ok: true; readonly body: Body }
  | { readonly ok: false; readonly reason: string }

/** Checks and decodes the body of a command. Never throws. Its bytes fields share memory with `body`. */
export function decodePacket<Name extends CommandName>(name: Name, body: Buffer): Decoded<BodyOf<Name>> {
  const { message, type } = commands[name]
  const reason = checkBody(message, body)
  if (reason !== undefined) return { ok: false, reason }
  return { ok: true, body: type.decode(body) as BodyOf<Name> }
}

/** The bytes of a body. That no required field is missing is for the type to see; nothing checks it again. */
export function encodeBody<Name extends CommandName>(name: Name, body: WritableBodyOf<Name>): Uint8Array {
  return commands[name].type.encode(body as never).finish()
}

/** A whole packet of a command. `seq` is 0 … 65535. */
export function encodePacket<Name extends CommandName>(
  name: Name,
  seq: number,
  body: WritableBodyOf<Name>,
): Buffer {
  return writePacket(commands[name].id, seq, encodeBody(name, body))
}
