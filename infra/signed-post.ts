/**
 * Every HTTP post of ours to the business, to robots and to vendors behind the business. The receiver checks
 * `x-coffeechat-signature`: sha256=HMAC-SHA-256(secret, timestamp + "." + body) in hexadecimal, with the timestamp (s)
 * of `x-coffeechat-timestamp`. `idempotency-key` is the same whenever the same thing is posted again.
 */
import { createHmac } from 'node:crypto'
import { type SpanStart, spanWithin, type Tracer } from '../schemas/tracer.js'
import { type Trace, traceHeader } from '../schemas/tracing.js'

export interface SignedPost {
  readonly url: string
  /** JSON */
  readonly body: string
  readonly idempotency_key: string
  /** Without one the post is not signed. */
  readonly secret: string | null | undefined
  /** For all of it, the answer's body included. */
  readonly timeout_ms: number
  /** What it belongs to, where somebody traces it. */
  readonly trace?: Trace | undefined
  /** Where it is given, the post has a span of its own. */
  readonly tracer?: Tracer | undefined
}

/** Only the host of the address: its path may have a token in it. */
const postStart = (url: string): SpanStart => ({
  name: 'POST',
  kind: 'client',
  attributes: { 'http.request.method': 'POST', 'server.address': new URL(url).host },
})

/**
 * Posts it. Redirects are not followed: the address is the one that the business has set, and no other.
 * @throws where no answer comes in time
 */
export async function signedPost(asked: SignedPost): Promise<Response> {
  const { url, trace, tracer } = asked
  const span = tracer && spanWithin(tracer, trace, () => postStart(url))
  try {
    const response = await post(asked, span?.trace ?? trace)
    span?.set({ 'http.response.status_code': response.status })
    span?.end(response.status > 299 ? `HTTP ${response.status}` : undefined)
    return response
  } catch (error) {
    span?.end(error instanceof Error ? error.name : 'failed')
    throw error
  }
}

function post(
  { url, body, idempotency_key, secret, timeout_ms }: SignedPost,
  trace: Trace | undefined,
): Promise<Response> {
  const timestamp = String(Math.floor(Date.now() / 1_000))
  const signed = (key: string) => createHmac('sha256', key).update(`${timestamp}.${body}`).digest('hex')
  const isSigned = secret !== null && secret !== undefined
  return fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'idempotency-key': idempotency_key,
      'x-coffeechat-timestamp': timestamp,
      ...(trace === undefined ? {} : { [traceHeader]: trace }),
      ...(isSigned ? { 'x-coffeechat-signature': `sha256=${signed(secret)}` } : {}),
    },
    redirect: 'manual',
    signal: AbortSignal.timeout(timeout_ms),
  })
}
