// Both webhooks in one page (docs/webhooks.md): is asked before a message is stored, and told what has happened.
//   WEBHOOK_SECRET=at-least-16-characters PORT=9100 npx tsx docs/examples/webhook.ts
//   WEBHOOK_BEFORE_SEND_URL=http://127.0.0.1:9100/before-send WEBHOOK_BEFORE_SEND_SECRET=at-least-16-characters \
//   WEBHOOK_EVENTS_URL=http://127.0.0.1:9100/events WEBHOOK_EVENTS_SECRET=at-least-16-characters npm start
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

const secret = process.env.WEBHOOK_SECRET ?? ''
const oldest_s = 300
/** An event may come twice, under the same id: what it causes should happen once. Keep this in your database. */
const seen = new Set<string>()

/** Only the server knows the secret; the time is signed too, so that an old post cannot be sent again. */
function isFromServer(headers: IncomingHttpHeaders, body: string): boolean {
  const time = String(headers['x-coffeechat-timestamp'])
  if (!(Math.abs(Date.now() / 1_000 - Number(time)) < oldest_s)) return false
  const expected = Buffer.from(
    `sha256=${createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')}`,
  )
  const given = Buffer.from(String(headers['x-coffeechat-signature']))
  return given.length === expected.length && timingSafeEqual(given, expected)
}

interface Message {
  readonly text?: string
}

/** Refuses some words and masks others; all else may pass. */
function verdictOn({ text = '' }: Message): object {
  if (text.includes('forbidden')) return { action: 'refuse', code: 'MUTED' }
  if (text.includes('rude')) return { action: 'change', text: text.replaceAll('rude', '****') }
  return { action: 'allow' }
}

interface Told {
  readonly event_id: string
  readonly event: string
}

function take({ event_id, event }: Told): void {
  if (seen.has(event_id)) return
  seen.add(event_id)
  console.log(event, event_id)
}

const server = createServer(async (request, response) => {
  const body = await text(request)
  if (!isFromServer(request.headers, body)) {
    response.writeHead(401).end()
  } else if (request.url === '/before-send') {
    const verdict = JSON.stringify(verdictOn(JSON.parse(body)))
    response.writeHead(200, { 'content-type': 'application/json' }).end(verdict)
  } else {
    take(JSON.parse(body))
    response.writeHead(204).end()
  }
})

server.listen(Number(process.env.PORT ?? 9_100), '127.0.0.1', () =>
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
)
