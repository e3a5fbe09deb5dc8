/** What follows from a robot's answer, by tables. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { coffeechat } from '../../proto/index.js'
import { topics } from '../../schemas/topics.js'
import type { RobotAnswer } from '../../workers/ports/robots.js'
import { robots, robots5s, robots30s, robots120s } from '../../workers/robots.worker.js'

const requested: coffeechat.event.IRobotRequested = {
  ref: {
    from_user_id: 1,
    to_session_id: 9,
    msg_id: 'm',
    session_type: 1,
    conversation: 'c:1:9',
    server_msg_id: 5,
  },
  msg_type: 1,
  msg_data: Buffer.from('hello'),
  stored_time: 1_000,
}
const place = { topic: '', partition: 0, offset: 0, appended: 0 }

/** Loads and decides as the runner does, around a robot that answers this; none: the user is no robot. */
async function outcomesOf(worker: typeof robots, answer: RobotAnswer | undefined, now = 2_000) {
  const ports = {
    robots: {
      among: async () => new Set<number>(),
      of: async () => new Map(answer === undefined ? [] : [[9, { webhook: 'http://robot', secret: 's' }]]),
    },
    robotCaller: {
      ask: async (questions: readonly unknown[]) => questions.map(() => answer as RobotAnswer),
    },
    now: () => now,
  }
  const loaded = await worker.load?.([requested], ports, [place])
  assert.ok(loaded)
  return worker.decide(requested, loaded, place)
}

/** In words: where the event goes. */
const waysOf = async (...given: Parameters<typeof outcomesOf>) =>
  (await outcomesOf(...given)).map((outcome) =>
    outcome.kind === 'emit'
      ? outcome.topic.name
      : outcome.kind === 'reject'
        ? `dead letters: ${outcome.reason}`
        : '',
  )

test('what a robot says becomes a ROBOT message from it, named after the message that it answers', async () => {
  const [outcome] = await outcomesOf(robots, { kind: 'said', msg_data: Buffer.from('{"body":"hi"}') })
  assert.ok(outcome?.kind === 'emit' && outcome.topic === topics.messageSubmitted)
  const { message, origin } = outcome.event as coffeechat.event.IMessageSubmitted
  assert.deepEqual(
    [message.from_user_id, message.to_session_id, message.msg_id, message.msg_type, message.session_type],
    [9, 1, 'robot:c:1:9:5', 9, 1],
  )
  assert.equal(Buffer.from(message.msg_data).toString(), '{"body":"hi"}')
  assert.equal(origin.gate_id, '')
})

test('a msg_id of two of the longest user ids is within its limit', () => {
  const longest = 2 ** 48 - 1
  assert.ok(`robot:c:${longest}:${longest}:${2 ** 40}`.length <= 64)
})

test('silence, and a user who is no robot any more, end it', async () => {
  assert.deepEqual(await waysOf(robots, { kind: 'silent' }), [])
  assert.deepEqual(await waysOf(robots, undefined), [])
})

const failed: RobotAnswer = { kind: 'failed', reason: 'HTTP 500' }

test('a robot that failed is asked again after each delay, then the message is a dead letter', async () => {
  assert.deepEqual(await waysOf(robots, failed), ['robot.retry.5s'])
  assert.deepEqual(await waysOf(robots5s, failed), ['robot.retry.30s'])
  assert.deepEqual(await waysOf(robots30s, failed), ['robot.retry.120s'])
  assert.deepEqual(await waysOf(robots120s, failed), ['dead letters: the robot: HTTP 500'])
})

test('an answer of no use makes the message a dead letter at once', async () => {
  assert.deepEqual(await waysOf(robots, { kind: 'unusable', reason: 'HTTP 404' }), [
    'dead letters: the robot: HTTP 404',
  ])
})

test('a message that its robot had no time for waits without losing an attempt, for an hour at most', async () => {
  const untried: RobotAnswer = { kind: 'untried' }
  assert.deepEqual(await waysOf(robots, untried), ['robot.retry.5s'])
  assert.deepEqual(await waysOf(robots5s, untried), ['robot.retry.5s'])
  assert.deepEqual(await waysOf(robots120s, untried), ['robot.retry.120s'])
  assert.deepEqual(await waysOf(robots120s, untried, 3_601_001), [
    'dead letters: the robot is too slow for its messages',
  ])
})
