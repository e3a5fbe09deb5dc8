/**
 * Robots asked by signed HTTP posts. The robot checks `x-coffeechat-signature`: sha256=HMAC-SHA-256(secret,
 * timestamp + "." + body) in hexadecimal, with the timestamp (s) of `x-coffeechat-timestamp`. `idempotency-key`
 * is the same whenever the same message is asked again. It answers 200 with JSON `{"body": text, "content"?: any}`,
 * or 204 (or nothing in a 2xx) where it has nothing to say.
 */
import type { Tracer } from '../../schemas/tracer.js'
import type { Patience, Question, RobotAnswer, RobotCaller, RobotHook } from '../../workers/ports/robots.js'
import { contentOf, jsonOf, readAtMost, reasonOf } from '../http-posts.js'
import { signedPost } from '../signed-post.js'

export interface RobotCallerSettings {
  /** Longest msg_data of an answer. */
  readonly maxMessageBytes: number
  /** How long a robot that failed is spared, ms. */
  readonly rest_ms?: number
  readonly tracer?: Tracer
}

/** One call of a batch, with the place of its answer. */
interface Call {
  readonly at: number
  readonly question: Question
  readonly hook: RobotHook
}

/** Conversations with one robot that are served at the same time. */
const conversationsAtOnce = 8
/** Too early, too slow, too many: the same post may pass later. */
const passing = new Set([408, 425, 429])
/** The JSON around an answer's text, and its escapes, take more than the text. */
const maxAnswerFactor = 2

/** Robots do not wait for each other: a slow or dead one costs a batch no more than one limit. */
export function createRobotCaller(settings: RobotCallerSettings): RobotCaller {
  const { maxMessageBytes, tracer, rest_ms = 30_000 } = settings
  /** Until when (ms) a robot that failed is spared. */
  const rests = new Map<number, number>()
  return {
    async ask(questions, patience) {
      const answers: RobotAnswer[] = questions.map(() => ({ kind: 'untried' }))
      const calls = questions.map((each, at): Call => ({ at, ...each }))
      const byRobot = grouped(calls, ({ question }) => question.robot_user_id)
      await Promise.all(
        [...byRobot].map(([robot, ofRobot]) =>
          askRobot(ofRobot, patience, {
            answers,
            maxMessageBytes,
            tracer,
            spared: () => patience.sparing && (rests.get(robot) ?? 0) > Date.now(),
            failed: () => void rests.set(robot, Date.now() + rest_ms),
          }),
        ),
      )
      for (const [robot, until] of rests) if (until <= Date.now()) rests.delete(robot)
      return answers
    },
  }
}

/** By key, in order. */
function grouped<Key>(calls: readonly Call[], keyOf: (call: Call) => Key): Map<Key, Call[]> {
  const groups = new Map<Key, Call[]>()
  for (const call of calls) {
    const key = keyOf(call)
    const group = groups.get(key)
    if (group) group.push(call)
    else groups.set(key, [call])
  }
  return groups
}

interface Turn {
  readonly answers: RobotAnswer[]
  readonly maxMessageBytes: number
  readonly tracer: Tracer | undefined
  spared(): boolean
  failed(): void
}

/** All calls of one batch to one robot. After its first failure it is left alone. */
async function askRobot(calls: readonly Call[], { limit_ms }: Patience, turn: Turn): Promise<void> {
  const deadline = Date.now() + limit_ms
  let failure = turn.spared() ? 'not called: the robot failed a moment ago' : undefined
  const conversations = grouped(calls, ({ question }) => question.conversation).values()

  /** Takes one conversation after the other until none is left. */
  const serve = async (): Promise<void> => {
    for (const conversation of conversations)
      for (const { at, question, hook } of conversation) {
        if (failure !== undefined) turn.answers[at] = { kind: 'failed', reason: failure }
        else if (Date.now() < deadline) {
          const answer = await post(question, hook, limit_ms, turn)
          turn.answers[at] = answer
          if (answer.kind !== 'failed') continue
          failure ??= answer.reason
          turn.failed()
        }
      }
  }
  await Promise.all(Array.from({ length: conversationsAtOnce }, serve))
}

async function post(
  question: Question,
  { webhook, secret }: RobotHook,
  limit_ms: number,
  { maxMessageBytes, tracer }: Pick<Turn, 'maxMessageBytes' | 'tracer'>,
): Promise<RobotAnswer> {
  const body = JSON.stringify(payloadOf(question))
  try {
    const response = await signedPost({
      url: webhook,
      body,
      idempotency_key: keyOf(question),
      secret,
      timeout_ms: limit_ms,
      trace: question.trace,
      tracer,
    })
    if (response.status < 200 || response.status > 299) {
      await response.body?.cancel()
      const reason = `HTTP ${response.status}`
      const mayPass = response.status >= 500 || passing.has(response.status)
      return { kind: mayPass ? 'failed' : 'unusable', reason }
    }
    return answerOf(await readAtMost(response, maxAnswerFactor * maxMessageBytes), maxMessageBytes)
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error) }
  }
}

const payloadOf = (question: Question) => ({
  robot_user_id: String(question.robot_user_id),
  from_user_id: String(question.from_user_id),
  msg_id: question.msg_id,
  server_msg_id: String(question.server_msg_id),
  msg_type: question.msg_type,
  ...contentOf(question.msg_data),
  time: question.time,
})

const keyOf = (question: Question): string => `${question.conversation}:${question.server_msg_id}`

function answerOf(bytes: Buffer | undefined, maxMessageBytes: number): RobotAnswer {
  const tooLong = { kind: 'unusable', reason: 'the answer is too long' } as const
  if (bytes === undefined) return tooLong
  if (bytes.length === 0) return { kind: 'silent' }
  const said = parsed(bytes)
  if (said === undefined) return { kind: 'unusable', reason: 'the answer is not {"body": text}' }
  const msg_data = Buffer.from(JSON.stringify(said))
  return msg_data.length > maxMessageBytes ? tooLong : { kind: 'said', msg_data }
}

/** What is in a ROBOT message (spec 1, "What is in msg_data"). */
function parsed(bytes: Buffer): { body: string; content?: unknown } | undefined {
  try {
    const { body, content } = jsonOf(bytes) as { body?: unknown; content?: unknown }
    if (typeof body !== 'string') return undefined
    return content === undefined ? { body } : { body, content }
  } catch {
    return undefined
  }
}
