/** Calls that a worker answers: published as an event, answered by a packet on the gate's own topic (spec 2). */
import type { FastifyRequest } from 'fastify'
import { CIM, type coffeechat } from '../../proto/index.js'
import { BusUnavailable } from '../../schemas/bus.js'
import {
  type ContactAnswer,
  type ContactArgumentsOf,
  type ContactOperation,
  contactAnswer,
} from '../../schemas/contact-operations.js'
import { type FileAnswer, type FileArgumentsOf, type FileOperation, fileAnswer } from '../../schemas/files.js'
import {
  type GroupAnswer,
  type GroupArgumentsOf,
  type GroupOperation,
  groupAnswer,
} from '../../schemas/group-operations.js'
import type { OrgArgumentsOf, OrgOperation } from '../../schemas/org-operations.js'
import { type CommandName, commands } from '../../schemas/packets.js'
import { type AnyTopic, type EventOf, recordOf, topics } from '../../schemas/topics.js'
import { publication, publishWithin } from '../../schemas/tracer.js'
import { type Trace, withTraces } from '../../schemas/tracing.js'
import {
  type ArgumentsOf,
  type ErrorBody,
  type UserAnswer,
  type UserOperation,
  userAnswer,
} from '../../schemas/user-operations.js'
import type { HttpContext } from '../context.js'
import type { OutboundPacket } from '../targets.js'
import { badRequest, Fault, refusedRequest, serverBusy } from './faults.js'
import { traceOfCall } from './request-ids.js'

/** From the call to its 503: every call has a true answer within 10 s. */
const answerDeadline_ms = 9_500
const restApi = CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_REST_API

type Origin = coffeechat.event.IOrigin
type OperationTopic = typeof topics.requestUser | typeof topics.requestGroup | typeof topics.requestFile
type Query = Omit<EventOf<typeof topics.requestQuery>, 'origin' | 'time'>

export interface Calls {
  /** Publishes an event and resolves with the packet that answers it. Rejects with the Fault 503 without one in time. */
  ask<T extends AnyTopic>(
    request: FastifyRequest,
    userId: number,
    topic: T,
    event: (origin: Origin) => EventOf<T>,
  ): Promise<OutboundPacket>
  /** Publishes events that nothing answers; resolves when the bus has them. Rejects with the Fault 503. */
  tell<T extends AnyTopic>(
    request: FastifyRequest,
    userId: number,
    topic: T,
    events: (origin: Origin) => readonly EventOf<T>[],
  ): Promise<void>
  /** As `ask`, of what is answered with JSON; rejects with the Fault that the worker answered. */
  askJson<T extends AnyTopic>(
    request: FastifyRequest,
    userId: number,
    topic: T,
    event: (origin: Origin) => EventOf<T>,
  ): Promise<{ readonly status: number; readonly body: unknown }>
  /** An operation on users. Rejects with the Fault that the worker answered. @param userId 0: no one user */
  onUser<O extends UserOperation>(
    request: FastifyRequest,
    userId: number,
    operation: O,
    given: ArgumentsOf<O>,
  ): Promise<UserAnswer>
  /** An app server's operation on groups. Rejects with the Fault that the worker answered. */
  onGroup<O extends GroupOperation>(
    request: FastifyRequest,
    operation: O,
    given: GroupArgumentsOf<O>,
  ): Promise<GroupAnswer>
  /** An app server's operation on contacts. Rejects with the Fault that the worker answered. */
  onContacts<O extends ContactOperation>(
    request: FastifyRequest,
    operation: O,
    given: ContactArgumentsOf<O>,
  ): Promise<ContactAnswer>
  /** An app server's operation on the org tree. Resolves with what it answers; rejects with the Fault that it answered. */
  onOrg<O extends OrgOperation>(
    request: FastifyRequest,
    operation: O,
    given: OrgArgumentsOf<O>,
  ): Promise<unknown>
  /** An operation on files. Rejects with the Fault that the worker answered. */
  onFile<O extends FileOperation>(
    request: FastifyRequest,
    operation: O,
    given: FileArgumentsOf<O>,
  ): Promise<FileAnswer>
  /** What a user pulls. Resolves with the body of the command; rejects with the Fault of an ERROR_NOTIFY. */
  query(request: FastifyRequest, userId: number, query: Query, expected: CommandName): Promise<Uint8Array>
}

/** The app server's name for a POST, so that a repetition changes nothing. @throws Fault 400 */
export function idempotencyKeyOf({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key === 'string' && /^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw badRequest('Idempotency-Key: 1 to 255 visible ASCII characters')
}

/** The part of an event that says what is to be done. */
function operationAsked(request: FastifyRequest, operation: string, given: object) {
  const idempotency_key = idempotencyKeyOf(request)
  return {
    time: Date.now(),
    operation,
    arguments: JSON.stringify(given),
    ...(idempotency_key === undefined ? {} : { idempotency_key }),
  }
}

/** What a worker answered to an operation. @throws Fault where it refused */
function answeredJson({ http_status, body }: OutboundPacket): unknown {
  const answered: unknown = JSON.parse(Buffer.from(body).toString('utf8'))
  if ((http_status ?? 500) < 400) return answered
  const { code, message, field } = (answered as ErrorBody).error
  throw new Fault(http_status ?? 500, code, message, field === undefined ? {} : { field })
}

/** The two ways to the bus: with an answer, and without one. */
function createWays({
  config,
  identity,
  targets,
  publish,
  tracer,
  isSuspended,
}: HttpContext): Pick<Calls, 'ask' | 'tell'> {
  const prefix = config.TOPIC_PREFIX

  const originOf = (user_id: number, connection_id: number): Origin => ({
    ...identity,
    connection_id,
    login_number: 0,
    user_id,
    device: { client_type: restApi },
    seq_num: 0,
  })

  /** BusUnavailable means that nobody can say whether they are there. */
  async function send<T extends AnyTopic>(request: FastifyRequest, topic: T, events: readonly EventOf<T>[]) {
    if (isSuspended()) throw serverBusy()
    const publishAll = (trace: Trace | undefined) =>
      publish(events.map((each) => withTraces(recordOf({ prefix }, topic, each), [trace], 1)))
    const start = () => publication(prefix, topic)
    await publishWithin(tracer, traceOfCall(request), start, publishAll).catch((error: unknown) => {
      throw error instanceof BusUnavailable ? serverBusy() : error
    })
  }

  const ask: Calls['ask'] = (request, userId, topic, event) =>
    new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(deadline)
        targets.close(id)
      }
      const fail = (error: unknown) => {
        end()
        reject(error)
      }
      const id = targets.open({
        deliver(packet) {
          end()
          resolve(packet)
          return true
        },
      })
      const deadline = setTimeout(() => fail(serverBusy()), answerDeadline_ms)
      // An answer can arrive before the bus has confirmed the request to us: it counts all the same.
      send(request, topic, [event(originOf(userId, id))]).catch(fail)
    })

  return {
    ask,
    async tell(request, userId, topic, events) {
      await send(request, topic, events(originOf(userId, 0)))
    },
  }
}

/** The calls of one gate, over its bus. */
export function createCalls(context: HttpContext): Calls {
  const { ask, tell } = createWays(context)

  /** An operation with its Idempotency-Key: what was answered, before it is checked. */
  async function operate<T extends OperationTopic>(
    request: FastifyRequest,
    userId: number,
    topic: T,
    operation: string,
    given: object,
  ): Promise<unknown> {
    const asked = operationAsked(request, operation, given)
    return answeredJson(await ask(request, userId, topic, (origin) => ({ origin, ...asked }) as EventOf<T>))
  }

  return {
    ask,
    tell,

    async askJson(request, userId, topic, event) {
      const packet = await ask(request, userId, topic, event)
      return { status: packet.http_status ?? 500, body: answeredJson(packet) }
    },

    onUser: async (request, userId, operation, given) =>
      userAnswer.parse(await operate(request, userId, topics.requestUser, operation, given)),

    onGroup: async (request, operation, given) =>
      groupAnswer.parse(await operate(request, 0, topics.requestGroup, operation, given)),

    onFile: async (request, operation, given) =>
      fileAnswer.parse(await operate(request, given.user_id ?? 0, topics.requestFile, operation, given)),

    async onContacts(request, operation, given) {
      const asked = { time: Date.now(), operation, arguments: JSON.stringify(given) }
      return contactAnswer.parse(
        answeredJson(await ask(request, 0, topics.requestContact, (origin) => ({ origin, ...asked }))),
      )
    },

    async onOrg(request, operation, given) {
      const asked = { time: Date.now(), operation, arguments: JSON.stringify(given) }
      return answeredJson(await ask(request, 0, topics.requestOrg, (origin) => ({ origin, ...asked })))
    },

    async query(request, userId, query, expected) {
      const { command_id, body } = await ask(request, userId, topics.requestQuery, (origin) => ({
        ...query,
        origin,
        time: Date.now(),
      }))
      if (command_id === commands[expected].id) return body
      throw refusedRequest(commands.ERROR_NOTIFY.type.decode(body))
    },
  }
}
