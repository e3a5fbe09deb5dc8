/**
 * A message to a robot is put to it over HTTP; what it answers is submitted as a ROBOT message from it. The first
 * call has little time: who is slower or fails is asked again from the delay topics, where nobody else waits.
 */
import { CIM, type coffeechat } from '../proto/index.js'
import { type Topic, topics } from '../schemas/topics.js'
import type { Trace } from '../schemas/tracing.js'
import { defineWorker, type EmitOf, emit, type Outcome, reject } from './kit/worker.js'
import type { Patience, Question, RobotAnswer, RobotCaller, RobotDirectory } from './ports/robots.js'

type Requested = coffeechat.event.IRobotRequested

interface Ports {
  readonly robots: RobotDirectory
  readonly robotCaller: RobotCaller
  /** ms */
  readonly now: () => number
}

interface Loaded {
  /** An event whose user is no robot any more has none. */
  readonly answers: ReadonlyMap<Requested, RobotAnswer>
  /** ms */
  readonly now: number
}

type RetryTopic = typeof topics.robotRetry5s | typeof topics.robotRetry30s | typeof topics.robotRetry120s
type Produced = typeof topics.messageSubmitted | RetryTopic

const first: Patience = { limit_ms: 3_000, sparing: true }
const later: Patience = { limit_ms: 10_000, sparing: false }

/** A robot that cannot keep up for so long has its messages in the dead letters. */
const oldest_ms = 3_600_000
/** Connections at once, of one process. */
const eventsAtOnce = 200

export const robots = robotWorker('robots', topics.robotRequested, first, topics.robotRetry5s)
export const robots5s = robotWorker('robots-5s', topics.robotRetry5s, later, topics.robotRetry30s)
export const robots30s = robotWorker('robots-30s', topics.robotRetry30s, later, topics.robotRetry120s)
export const robots120s = robotWorker('robots-120s', topics.robotRetry120s, later)

/**
 * @param failedTo where a message goes whose call failed; the dead letters where there is none
 */
function robotWorker<Consumed extends typeof topics.robotRequested | RetryTopic>(
  name: string,
  consumes: Consumed,
  patience: Patience,
  failedTo?: RetryTopic,
) {
  /** The robot was busy with others of its messages: that is no failure of this one. */
  const untriedTo = failedTo === topics.robotRetry5s ? failedTo : (consumes as RetryTopic)
  const produces: Produced[] = [topics.messageSubmitted, ...new Set([untriedTo, failedTo ?? untriedTo])]
  return defineWorker({
    name,
    consumes: consumes as Topic<string, Requested>,
    produces,
    eventsAtOnce,

    async load(events: readonly Requested[], { robots, robotCaller, now }: Ports, places): Promise<Loaded> {
      const hooks = await robots.of(events.map(({ ref }) => ref.to_session_id))
      const asked = events.flatMap((event, at) => {
        const hook = hooks.get(event.ref.to_session_id)
        return hook === undefined ? [] : [{ event, question: questionOf(event, places[at]?.trace), hook }]
      })
      const answers = await robotCaller.ask(asked, patience)
      return { answers: new Map(asked.map(({ event }, at) => [event, answers[at]!])), now: now() }
    },

    decide: (event, { answers, now }): Outcome<Produced, void>[] => {
      const answer = answers.get(event)
      switch (answer?.kind) {
        case undefined:
        case 'silent':
          return []
        case 'said':
          return [submit(event, answer.msg_data, now)]
        case 'untried':
          return [
            now - event.stored_time > oldest_ms
              ? reject('the robot is too slow for its messages')
              : emitTo(untriedTo, event),
          ]
        case 'failed':
          return [failedTo === undefined ? reject(`the robot: ${answer.reason}`) : emitTo(failedTo, event)]
        case 'unusable':
          return [reject(`the robot: ${answer.reason}`)]
      }
    },
  })
}

const questionOf = (
  { ref, msg_type, msg_data, stored_time }: Requested,
  trace: Trace | undefined,
): Question => ({
  robot_user_id: ref.to_session_id,
  from_user_id: ref.from_user_id,
  msg_id: ref.msg_id,
  conversation: ref.conversation,
  server_msg_id: ref.server_msg_id,
  msg_type,
  msg_data,
  time: stored_time,
  trace,
})

/** Named after the message that it answers, so that a message asked twice is answered once. */
const submit = (
  { ref }: Requested,
  msg_data: Uint8Array,
  now: number,
): EmitOf<typeof topics.messageSubmitted> =>
  emit(topics.messageSubmitted, {
    // Nobody waits for an ack of it.
    origin: {
      gate_id: '',
      gate_epoch: 0,
      connection_id: 0,
      login_number: 0,
      user_id: ref.to_session_id,
      device: { client_type: 0 },
      seq_num: 0,
    },
    message: {
      from_user_id: ref.to_session_id,
      to_session_id: ref.from_user_id,
      msg_id: `robot:${ref.conversation}:${ref.server_msg_id}`,
      create_time: now,
      msg_type: CIM.Def.CIMMsgType.kCIM_MSG_TYPE_Robot,
      msg_data,
      session_type: CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE,
    },
    received_time: now,
  })

/** emit() of a topic that is one of several: each has the same payload. */
const emitTo = (topic: RetryTopic, event: Requested) => ({ kind: 'emit', topic, event }) as EmitOf<RetryTopic>
