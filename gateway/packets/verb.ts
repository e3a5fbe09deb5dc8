/** What a handler of one command is: the body is checked and decoded, the connection is logged in. */
import { CIM } from '../../proto/index.js'
import { isGroupId, isUserId } from '../../schemas/ids.js'
import { type BodyOf, type CommandName, commands } from '../../schemas/packets.js'
import type { Connection } from '../connection.js'
import { badRequest, type Gate, refuse } from '../gate.js'

export type Verb<Name extends CommandName> = (
  gate: Gate,
  connection: Connection,
  seq: number,
  body: BodyOf<Name>,
) => void

const { CIMErrorCode, CIMSessionType } = CIM.Def

/**
 * Why an id cannot be that of a conversation of this type; undefined where it can. A client that sends no type is
 * served by the id alone (spec 1-wire, "Identifiers").
 */
export function addressFault(session_type: number | null, id: number): string | undefined {
  if (!isUserId(id) && !isGroupId(id)) return `${id} is neither a user id nor a group id`
  if (session_type === null) return undefined
  const named = isGroupId(id)
    ? CIMSessionType.kCIM_SESSION_TYPE_GROUP
    : CIMSessionType.kCIM_SESSION_TYPE_SINGLE
  return session_type === named ? undefined : 'session_type disagrees with the id'
}

/** False, and the client is told, where a packet speaks for somebody else. */
export function isOwn(
  gate: Gate,
  connection: Connection,
  name: CommandName,
  seq: number,
  user_id: number,
): boolean {
  if (user_id === connection.user_id) return true
  const code = CIMErrorCode.kCIM_ERR_FORBIDDEN
  refuse(gate, connection, commands[name].id, seq, code, "the user id is not this connection's")
  return false
}

/**
 * The checks of every question about one conversation, in the order of the spec: limits, identity. False where the
 * client was told why not. Who may see a group is the worker's to say.
 */
export function mayAskAbout(
  gate: Gate,
  connection: Connection,
  name: CommandName,
  seq: number,
  asked: { readonly user_id: number; readonly session_type: number; readonly session_id: number },
): boolean {
  const fault = addressFault(asked.session_type, asked.session_id)
  if (fault !== undefined) {
    badRequest(gate, connection, commands[name].id, seq, fault)
    return false
  }
  return isOwn(gate, connection, name, seq, asked.user_id)
}
