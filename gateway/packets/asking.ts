/** Packets that ask a worker for one of its operations: checked here against the operation's own schema. */
import type { z } from 'zod'
import { type BodyOf, type CommandName, commands } from '../../schemas/packets.js'
import type { topics } from '../../schemas/topics.js'
import { badRequest, beginRequest, originOf } from '../gate.js'
import { isOwn, type Verb } from './verb.js'

/** A packet that names its sender. */
type AskingCommand = {
  [Name in CommandName]: BodyOf<Name> extends { user_id: number } ? Name : never
}[CommandName]

type RequestTopic = typeof topics.requestContact | typeof topics.requestGroup | typeof topics.requestOrg

/**
 * The maker of the verbs that ask the worker of `topic`: each takes the arguments of its operation from the packet.
 * @param faultOf what the operation's schema cannot say
 */
export const askingOn =
  <Operations extends Readonly<Record<string, z.ZodType>>>(
    topic: RequestTopic,
    operations: Operations,
    faultOf: (given: object) => string | undefined = () => undefined,
  ) =>
  <Name extends AskingCommand, O extends keyof Operations & string>(
    name: Name,
    operation: O,
    argumentsOf: (body: BodyOf<Name>) => z.output<Operations[O]> & object,
  ): Verb<Name> =>
  (gate, connection, seq, body) => {
    const given = argumentsOf(body)
    const { id: command_id } = commands[name]
    const issue = operations[operation]?.safeParse(given).error?.issues[0]
    const fault = faultOf(given) ?? (issue && `${issue.path.join('.')}: ${issue.message}`)
    if (fault !== undefined) return badRequest(gate, connection, command_id, seq, fault)
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
    gate.publisher.submit(topic, event, request)
  }
