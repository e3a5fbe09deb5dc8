// A whole robot in one page: it says what it is told. Register it as a user and tell the server where it is:
//   ROBOT_SECRET=… PORT=9000 node docs/examples/echo-robot.mjs
//   curl … /v1/users -d '{"user_id":"1003","nick_name":"Echo","robot":{"webhook":"http://127.0.0.1:9000/","secret":"…"}}'
// What is sent to that user is posted here; what is answered here comes back as a ROBOT message from it.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'

const secret = process.env.ROBOT_SECRET ?? ''
const oldest_s = 300
/** A call may come twice, with the same key: it is answered the same, and what it causes should happen once. */
const answered = new Map()

/** Only the server knows the secret; the time is signed too, so that an old call cannot be sent again. */
function isFromServer(headers, body) {
  const time = headers['x-coffeechat-timestamp']
  if (!(Math.abs(Date.now() / 1_000 - Number(time)) < oldest_s)) return false
  const expected = `sha256=${createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')}`
  const given = String(headers['x-coffeechat-signature'])
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected))
}

/** What this robot says to a message; undefined: nothing. */
const reply = (message) => (message.text === undefined ? undefined : { body: message.text })

const server = createServer(async (request, response) => {
  const body = await text(request)
  if (!isFromServer(request.headers, body)) return response.writeHead(401).end()
  const key = request.headers['idempotency-key']
  if (!answered.has(key)) answered.set(key, reply(JSON.parse(body)))
  if (answered.size > 1_000) answered.delete(answered.keys().next().value)
  const said = answered.get(key)
  if (said === undefined) return response.writeHead(204).end()
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said))
})

server.listen(Number(process.env.PORT ?? 9_000), '127.0.0.1', () =>
  console.log(`listening on http://127.0.0.1:${server.address().port}/`),
)
