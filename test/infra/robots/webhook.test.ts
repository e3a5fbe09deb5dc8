/** Robots over real HTTP, good ones and bad ones. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { createRobotCaller } from '../../../infra/robots/webhook.js'
import type { Patience, Question } from '../../../workers/ports/robots.js'

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

let received: Received[] = []
let behaviours: Record<string, (response: ServerResponse, body: string) => unknown> = {}
const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString('utf8')
  received.push({ headers: request.headers, body })
  behaviours[request.url ?? '']?.(response, body)
})
let base: string

before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => {
  server.closeAllConnections()
  server.close()
})

const secret = 'a secret of the robot'
const maxMessageBytes = 32_768
const patience: Patience = { limit_ms: 5_000, sparing: false }

const questionTo = (robot_user_id: number, number = 1, from_user_id = 2): Question => ({
  robot_user_id,
  from_user_id,
  msg_id: `m-${number}`,
  conversation: `c:${from_user_id}:${robot_user_id}`,
  server_msg_id: number,
  msg_type: 1,
  msg_data: Buffer.from('hello 👋'),
  time: 1_234,
})
const to = (path: string, question = questionTo(9)) => ({
  question,
  hook: { webhook: `${base}${path}`, secret },
})

/** What one robot, which behaves like this, is taken to answer. */
async function answerOf(behave: (response: ServerResponse) => unknown, given = patience) {
  received = []
  behaviours = { '/robot': behave }
  const [answer] = await createRobotCaller({ maxMessageBytes }).ask([to('/robot')], given)
  return answer
}

const says = (text: string) => (response: ServerResponse) => response.writeHead(200).end(text)

test('a call holds the message, is signed with its time, and is the same when it is repeated', async () => {
  const answer = await answerOf(says('{"body":"hi","content":{"type":"text"},"more":1}'))
  assert.deepEqual(answer, {
    kind: 'said',
    msg_data: Buffer.from('{"body":"hi","content":{"type":"text"}}'),
  })
  const [{ headers, body }] = received as [Received]
  assert.deepEqual(JSON.parse(body), {
    robot_user_id: '9',
    from_user_id: '2',
    msg_id: 'm-1',
    server_msg_id: '1',
    msg_type: 1,
    text: 'hello 👋',
    time: 1_234,
  })
  const timestamp = headers['x-coffeechat-timestamp']
  const expected = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
  assert.equal(headers['x-coffeechat-signature'], `sha256=${expected}`)
  assert.ok(Math.abs(Number(timestamp) - Date.now() / 1_000) < 60)
  assert.equal(headers['idempotency-key'], 'c:2:9:1')
})

test('what is no text is put in base64, and without a secret nothing is signed', async () => {
  received = []
  behaviours = { '/robot': says('') }
  const question = { ...questionTo(9), msg_data: Buffer.from([0xff, 0]) }
  await createRobotCaller({ maxMessageBytes }).ask(
    [{ question, hook: { webhook: `${base}/robot`, secret: null } }],
    patience,
  )
  assert.equal(JSON.parse(received[0]!.body).data, '/wA=')
  assert.equal(received[0]!.headers['x-coffeechat-signature'], undefined)
})

test('204, and nothing in a 200, mean that a robot has nothing to say', async () => {
  assert.deepEqual(await answerOf((response) => response.writeHead(204).end()), { kind: 'silent' })
  assert.deepEqual(await answerOf(says('')), { kind: 'silent' })
})

for (const status of [500, 503, 408, 429])
  test(`HTTP ${status} may pass later`, async () => {
    assert.deepEqual(await answerOf((response) => response.writeHead(status).end('{"body":"x"}')), {
      kind: 'failed',
      reason: `HTTP ${status}`,
    })
  })

for (const status of [302, 400, 404, 410])
  test(`HTTP ${status} will not pass`, async () => {
    const answer = await answerOf((response) => response.writeHead(status, { location: base }).end())
    assert.deepEqual(answer, { kind: 'unusable', reason: `HTTP ${status}` })
  })

test('no answer in time, a cut connection and a closed port may pass later', async () => {
  const short = { limit_ms: 100, sparing: false }
  assert.deepEqual(await answerOf(() => {}, short), { kind: 'failed', reason: 'TimeoutError' })
  // The headers come in time, the body does not.
  const half = await answerOf((response) => response.writeHead(200).write('{'), short)
  assert.equal(half?.kind, 'failed')
  assert.equal((await answerOf((response) => response.socket?.destroy()))?.kind, 'failed')
  const hook = { webhook: 'http://name:password@127.0.0.1:1/', secret }
  const [closed] = await createRobotCaller({ maxMessageBytes }).ask(
    [{ question: questionTo(9), hook }],
    patience,
  )
  assert.equal(closed?.kind, 'failed')
  assert.doesNotMatch(JSON.stringify(closed), /password/)
})

for (const [what, text] of [
  ['no JSON', '<html>'],
  ['a JSON text', '"hi"'],
  ['JSON null', 'null'],
  ['no body', '{"content":"hi"}'],
  ['a body that is no text', '{"body":1}'],
] as const)
  test(`an answer of ${what} is of no use`, async () => {
    assert.deepEqual(await answerOf(says(text)), {
      kind: 'unusable',
      reason: 'the answer is not {"body": text}',
    })
  })

test('of an answer of 10 MB only the beginning is read', async () => {
  const size_bytes = 10 * 1024 * 1024
  let sent_bytes = 0
  function* chunks() {
    for (; sent_bytes < size_bytes; sent_bytes += 65_536) yield Buffer.alloc(65_536, 0x20)
  }
  let closed: Promise<unknown> | undefined
  const answer = await answerOf((response) => {
    closed = once(response, 'close')
    Readable.from(chunks()).pipe(response.writeHead(200, { 'content-length': size_bytes }))
  })
  assert.deepEqual(answer, { kind: 'unusable', reason: 'the answer is too long' })
  await closed
  assert.ok(sent_bytes < size_bytes)
})

test('an answer that makes too long a message is refused', async () => {
  const longest = 'x'.repeat(maxMessageBytes - '{"body":""}'.length)
  assert.equal((await answerOf(says(JSON.stringify({ body: longest }))))?.kind, 'said')
  assert.equal((await answerOf(says(JSON.stringify({ body: `${longest}x` }))))?.kind, 'unusable')
})

test('a robot that never answers costs a batch one limit, and is spared for a while after', async () => {
  received = []
  behaviours = { '/good': says('{"body":"hi"}'), '/dead': () => {} }
  const caller = createRobotCaller({ maxMessageBytes })
  const questions = [
    ...Array.from({ length: 50 }, (_, at) => to('/dead', questionTo(8, at + 1))),
    ...Array.from({ length: 5 }, (_, at) => to('/good', questionTo(9, at + 1))),
  ]
  const given = { limit_ms: 2_000, sparing: true }
  const begun = Date.now()
  const kinds = (await caller.ask(questions, given)).map(({ kind }) => kind)
  assert.ok(Date.now() - begun < 2 * given.limit_ms)
  assert.deepEqual(kinds, [...Array(50).fill('failed'), ...Array(5).fill('said')])
  assert.equal(received.length, 6)

  received = []
  const again = await caller.ask(questions, given)
  assert.deepEqual(
    again.map(({ kind }) => kind),
    kinds,
  )
  assert.equal(received.length, 5)
})

test('messages beyond the time of a robot that works are left for later, in order', async () => {
  const order: string[] = []
  behaviours = {
    '/slow': (response, body) => {
      order.push(JSON.parse(body).msg_id)
      setTimeout(() => response.writeHead(200).end('{"body":"hi"}'), 700)
    },
  }
  const questions = Array.from({ length: 10 }, (_, at) => to('/slow', questionTo(7, at + 1)))
  const answers = await createRobotCaller({ maxMessageBytes }).ask(questions, {
    limit_ms: 2_000,
    sparing: false,
  })
  const kinds = answers.map(({ kind }) => kind)
  const tried = kinds.indexOf('untried')
  assert.ok(tried >= 1 && tried <= 3)
  assert.deepEqual(kinds, [...Array(tried).fill('said'), ...Array(10 - tried).fill('untried')])
  assert.deepEqual(
    order,
    order.map((_, at) => `m-${at + 1}`),
  )
})

test('people who talk to one robot do not wait for each other, eight at a time', async () => {
  let waiting: ServerResponse[] = []
  let most = 0
  behaviours = {
    '/robot': (response) => {
      most = Math.max(most, waiting.push(response))
      if (waiting.length < 8) return
      for (const each of waiting) each.writeHead(204).end()
      waiting = []
    },
  }
  const questions = Array.from({ length: 32 }, (_, at) => to('/robot', questionTo(900, 1, at + 1)))
  const answers = await createRobotCaller({ maxMessageBytes }).ask(questions, {
    limit_ms: 20_000,
    sparing: false,
  })
  assert.deepEqual(new Set(answers.map(({ kind }) => kind)), new Set(['silent']))
  assert.equal(most, 8)
})
