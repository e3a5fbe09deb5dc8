/**
 * Requests that a worker has yet to answer. All have the same time limit, so they fall due in the order of their
 * arrival: one queue and one timer serve all (spec 2, "Single chat" 1: no ack within 8 s → SERVER_BUSY).
 */
import { answerOf, type CommandName, commands } from '../schemas/packets.js'
import type { Span } from '../schemas/tracer.js'
import type { Trace } from '../schemas/tracing.js'
import type { Connection } from './connection.js'

/** What the ack of a message repeats. */
export interface MessageNames {
  readonly from_user_id: number
  readonly to_session_id: number
  readonly msg_id: string
}

/** A client's packet that asks for something. */
export interface ClientRequest {
  readonly connection: Connection
  readonly command: CommandName
  readonly seq: number
  /** MSG_DATA only. */
  readonly message: MessageNames | undefined
  /** What the event belongs to that carries it. */
  readonly trace?: Trace | undefined
}

/** One that a worker answers. */
export interface PendingRequest extends ClientRequest {
  /** Of the command that answers it. */
  readonly answer_id: number
  /** ms, monotonic */
  readonly deadline: number
  /** Lasts until it is settled. */
  readonly span: Span | undefined
  settled: boolean
}

export interface Pending {
  add(connection: Connection, command: CommandName, seq: number, message?: MessageNames): PendingRequest
  /** The answer has come: the oldest request of this connection that it can answer is done. */
  settle(connection: Connection, seq: number, answer_id: number): void
  /** It will not be answered, or nobody knows: reported as late now, unless it was settled. Also one that was not added. */
  fail(request: ClientRequest | PendingRequest): void
  /** The connection is gone; nobody waits any more. */
  forget(connection: Connection): void
  /** Requests not yet answered. */
  size(): number
  stop(): void
}

interface PendingOptions {
  readonly timeout_ms: number
  /** ms, monotonic */
  readonly now: () => number
  /** Called once for each request that a worker has answered. */
  readonly onAnswered: (command: CommandName, duration_ms: number) => void
  /** Called once for each request that was not answered in time. */
  readonly onLate: (request: ClientRequest) => void
}

const answerIds = new Map(
  (Object.keys(commands) as CommandName[]).map((name) => {
    const answer = answerOf(name)
    return [name, answer === undefined ? 0 : commands[answer].id]
  }),
)

export function createPending({ timeout_ms, now, onAnswered, onLate }: PendingOptions): Pending {
  let queue: PendingRequest[] = []
  let head = 0
  let open = 0
  let timer: NodeJS.Timeout | undefined

  const close = (request: PendingRequest, failure?: string): void => {
    request.settled = true
    request.span?.end(failure)
    open--
  }

  const fail = (request: ClientRequest | PendingRequest) => {
    if (!('settled' in request)) return onLate(request)
    if (request.settled) return
    close(request, 'not answered in time')
    const { requests } = request.connection
    const at = requests.indexOf(request)
    if (at >= 0) requests.splice(at, 1)
    onLate(request)
  }

  const expire = (): void => {
    timer = undefined
    const time = now()
    while (head < queue.length && (queue[head]!.settled || queue[head]!.deadline <= time))
      fail(queue[head++]!)
    if (head === queue.length) {
      queue = []
      head = 0
    } else arm()
  }

  const arm = (): void => {
    // A millisecond late rather than a turn early.
    timer ??= setTimeout(expire, Math.max(1, queue[head]!.deadline - now() + 1))
  }

  /** Settled requests at the head need no timer to leave; the array is cut when half of it is history. */
  const trim = (): void => {
    while (head < queue.length && queue[head]!.settled) head++
    if (head > 1_024 && head * 2 > queue.length) {
      queue = queue.slice(head)
      head = 0
    }
  }

  return {
    add(connection, command, seq, message) {
      const answer_id = answerIds.get(command)!
      const deadline = now() + timeout_ms
      const { trace, span } = connection
      connection.span = undefined
      const asked = { connection, command, seq, message, trace }
      const request: PendingRequest = { ...asked, answer_id, deadline, span, settled: false }
      queue.push(request)
      connection.requests.push(request)
      open++
      arm()
      return request
    },
    settle({ requests }, seq, answer_id) {
      const isError = answer_id === commands.ERROR_NOTIFY.id
      for (let at = 0; at < requests.length; at++) {
        const request = requests[at]!
        if (request.seq !== seq || (request.answer_id !== answer_id && !isError)) continue
        close(request, isError ? 'answered with ERROR_NOTIFY' : undefined)
        onAnswered(request.command, now() - (request.deadline - timeout_ms))
        if (at === 0) requests.shift()
        else requests.splice(at, 1)
        trim()
        return
      }
    },
    fail,
    forget(connection) {
      for (const request of connection.requests) close(request, 'the connection is gone')
      connection.requests = []
      trim()
    },
    size: () => open,
    stop: () => clearTimeout(timer),
  }
}
