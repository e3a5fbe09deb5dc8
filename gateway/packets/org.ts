/** The org tree (spec 1, 0x0620 … 0x0623): checked here, served by the org worker. */
import {
  type OrgArgumentsOf,
  type OrgOperation,
  orgOperations,
  orgPageLimit,
  orgSearchLimit,
} from '../../schemas/org-operations.js'
import { type BodyOf, commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import { badRequest, beginRequest, originOf } from '../gate.js'
import { isOwn, type Verb } from './verb.js'

/** The verb that asks the org worker a question, with the arguments from the packet. */
const asking =
  <Name extends 'ORG_LIST_REQ' | 'ORG_SEARCH_REQ', O extends OrgOperation>(
    name: Name,
    operation: O,
    argumentsOf: (body: BodyOf<Name>) => OrgArgumentsOf<O>,
  ): Verb<Name> =>
  (gate, connection, seq, body) => {
    const given = argumentsOf(body)
    const issue = orgOperations[operation].safeParse(given).error?.issues[0]
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
    gate.publisher.submit(topics.requestOrg, event, request)
  }

export const orgVerbs = {
  ORG_LIST_REQ: asking('ORG_LIST_REQ', 'list', ({ version, limit_count }) => ({
    version,
    limit: limit_count || orgPageLimit,
  })),
  ORG_SEARCH_REQ: asking('ORG_SEARCH_REQ', 'search', ({ query, department_id, limit_count }) => ({
    ...(query === null ? {} : { query }),
    ...(department_id === null ? {} : { department_id }),
    limit: limit_count || orgSearchLimit.default,
  })),
} as const
