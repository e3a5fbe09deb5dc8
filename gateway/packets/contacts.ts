/** Friends, blocklists and the list of users (spec 1, 0x0601 … 0x0615): checked here, served by the contacts worker. */
import {
  type ContactArgumentsOf,
  type ContactOperation,
  contactOperations,
  contactPageLimit,
} from '../../schemas/contact-operations.js'
import { type BodyOf, type CommandName, commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import { badRequest, beginRequest, originOf } from '../gate.js'
import { isOwn, type Verb } from './verb.js'

/** A packet that names its sender. */
type AskingCommand = {
  [Name in CommandName]: BodyOf<Name> extends { user_id: number } ? Name : never
}[CommandName]

/** The verb that asks the contacts worker for an operation, with the arguments from the packet. */
const asking =
  <Name extends AskingCommand, O extends ContactOperation>(
    name: Name,
    operation: O,
    argumentsOf: (body: BodyOf<Name>) => ContactArgumentsOf<O>,
  ): Verb<Name> =>
  (gate, connection, seq, body) => {
    const given = argumentsOf(body)
    const issue = contactOperations[operation].safeParse(given).error?.issues[0]
    const { id: command_id } = commands[name]
    if (issue !== undefined)
      return badRequest(gate, connection, command_id, seq, `${issue.path.join('.')}: ${issue.message}`)
    if (!isOwn(gate, connection, name, seq, (body as { user_id: number }).user_id)) return
    const request = beginRequest(gate, connection, name, seq)
    if (request === undefined) return
    const event = {
      origin: originOf(gate, connection, seq),
      time: Date.now(),
      operation,
      arguments: JSON.stringify(given),
      command_id,
    }
    gate.publisher.submit(topics.requestContact, event, request)
  }

const pair = ({ user_id, peer_id }: { readonly user_id: number; readonly peer_id: number }) => ({
  user_id,
  peer_id,
})

export const contactVerbs = {
  USER_LIST_REQ: asking('USER_LIST_REQ', 'users', ({ user_id }) => ({ user_id })),
  FRIEND_APPLY_REQ: asking('FRIEND_APPLY_REQ', 'apply', ({ greeting, ...body }) => ({
    ...pair(body),
    ...(greeting === null ? {} : { greeting }),
  })),
  FRIEND_ANSWER_REQ: asking('FRIEND_ANSWER_REQ', 'answer', ({ accept, ...body }) => ({
    ...pair(body),
    accept,
  })),
  FRIEND_REMARK_REQ: asking('FRIEND_REMARK_REQ', 'remark', ({ remark, ...body }) => ({
    ...pair(body),
    remark,
  })),
  FRIEND_DELETE_REQ: asking('FRIEND_DELETE_REQ', 'delete', pair),
  CONTACT_LIST_REQ: asking('CONTACT_LIST_REQ', 'list', ({ user_id, version, limit_count }) => ({
    user_id,
    version,
    limit: limit_count || contactPageLimit,
  })),
  BLOCK_REQ: asking('BLOCK_REQ', 'block', ({ blocked, ...body }) => ({ ...pair(body), blocked })),
} as const
