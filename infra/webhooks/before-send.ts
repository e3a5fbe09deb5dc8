/** The webhook that is asked before a message is stored: signed posts, many at once, all within one limit. */
import { z } from 'zod'
import { CIM } from '../../proto/index.js'
import { fieldLimits } from '../../schemas/fields.js'
import type { Logger } from '../../schemas/log.js'
import type { Tracer } from '../../schemas/tracer.js'
import { text } from '../../schemas/user-operations.js'
import type { BeforeSend, Draft, Verdict } from '../../workers/ports/webhooks.js'
import { contentOf, jsonOf, readAtMost, reasonOf } from '../http-posts.js'
import { signedPost } from '../signed-post.js'

export interface BeforeSendSettings {
  readonly url: string
  readonly secret: string | undefined
  /** ms, for all messages of one batch together. */
  readonly timeout_ms: number
  /** What happens to a message about which no answer comes. */
  readonly onFailure: 'allow' | 'refuse'
  readonly maxMessageBytes: number
  readonly log: Logger
  readonly tracer?: Tracer
  /** Gets each verdict with the time that it took, ms. */
  readonly observe?: (verdict: Verdict['kind'] | 'no-answer', duration_ms: number) => void
  /** Calls at once. */
  readonly atOnce?: number
  /** After so many failures in a row nobody is asked for `rest_ms`. */
  readonly failuresBeforeRest?: number
  readonly rest_ms?: number
}

const { CIMResCode } = CIM.Def

/** What a sender may be answered: codes that every client knows. */
const refusals = {
  MUTED: CIMResCode.kCIM_RES_CODE_MUTED,
  IN_BLACK: CIMResCode.kCIM_RES_CODE_IN_BLACK,
  NOT_FRIEND: CIMResCode.kCIM_RES_CODE_NOT_FRIEND,
  RATE_LIMITED: CIMResCode.kCIM_RES_CODE_RATE_LIMITED,
} as const

/** Strict: who names a field that there is not means something else than we would do. */
const answerSchema = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('allow') }),
  z.strictObject({
    action: z.literal('refuse'),
    code: z.enum(Object.keys(refusals) as [keyof typeof refusals]).default('MUTED'),
  }),
  z
    .strictObject({
      action: z.literal('change'),
      text: z.string().optional(),
      data: z.base64().optional(),
      attach: text('bytes', fieldLimits.attach.max).nullable().optional(),
    })
    .refine((change) => change.text === undefined || change.data === undefined, 'text or data'),
])

/** The JSON around what a webhook puts into a message, and its escapes, take more than that itself. */
const answerBytes = (maxMessageBytes: number): number => 2 * maxMessageBytes + 256 * 1024

/** Why there is no verdict. */
class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** Asks at this address. */
export function createBeforeSend(settings: BeforeSendSettings): BeforeSend {
  const { timeout_ms, onFailure, log, observe } = settings
  const { atOnce = 256, failuresBeforeRest = 16, rest_ms = 2_000 } = settings
  const unanswered: Verdict =
    onFailure === 'allow'
      ? { kind: 'allow' }
      : // Not stored: the client sends it again with the same msg_id.
        { kind: 'refuse', res_code: CIMResCode.kCIM_RES_CODE_SERVER_BUSY }
  let failures = 0
  let restsUntil = 0

  function failed(reason: string): void {
    failures += 1
    if (failures === 1) log.warn({ reason, verdict: onFailure }, 'the webhook before sending gives no answer')
    if (failures >= failuresBeforeRest) restsUntil = Date.now() + rest_ms
  }

  async function ask(draft: Draft, deadline: number): Promise<Verdict> {
    if (deadline <= Date.now() || Date.now() < restsUntil) {
      observe?.('no-answer', 0)
      return unanswered
    }
    const started = performance.now()
    try {
      const verdict = await post(draft, settings, deadline)
      failures = 0
      observe?.(verdict.kind, performance.now() - started)
      return verdict
    } catch (error) {
      failed(error instanceof NoAnswer ? error.message : reasonOf(error))
      observe?.('no-answer', performance.now() - started)
      return unanswered
    }
  }

  return {
    async judge(drafts) {
      const deadline = Date.now() + timeout_ms
      const verdicts: Verdict[] = drafts.map(() => unanswered)
      const rest = drafts.entries()
      const serve = async (): Promise<void> => {
        for (const [at, draft] of rest) verdicts[at] = await ask(draft, deadline)
      }
      await Promise.all(Array.from({ length: Math.min(atOnce, drafts.length) }, serve))
      return verdicts
    },
  }
}

const payloadOf = (draft: Draft) => ({
  from_user_id: String(draft.from_user_id),
  to_session_id: String(draft.to_session_id),
  conversation: draft.conversation,
  msg_id: draft.msg_id,
  msg_type: draft.msg_type,
  ...contentOf(draft.msg_data),
  ...(draft.attach === null ? {} : { attach: draft.attach }),
  ...(draft.mention.length === 0 ? {} : { mention: draft.mention.map(String) }),
  client_type: draft.client_type,
  time: draft.time,
})

const wasClosed = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** @throws where the answer is none */
async function post(draft: Draft, settings: BeforeSendSettings, deadline: number): Promise<Verdict> {
  const { url, secret, maxMessageBytes, tracer } = settings
  const body = JSON.stringify(payloadOf(draft))
  const idempotency_key = `${draft.from_user_id}:${draft.msg_id}`
  const { trace } = draft
  const send = () =>
    signedPost({
      ...{ url, body, idempotency_key, secret, trace, tracer },
      timeout_ms: Math.max(1, deadline - Date.now()),
    })
  // A connection that was kept may have been closed at the other end meanwhile.
  const response = await send().catch((error: unknown) => {
    if (!wasClosed.has(reasonOf(error))) throw error
    return send()
  })
  if (response.status < 200 || response.status > 299) {
    await response.body?.cancel()
    throw new NoAnswer(`HTTP ${response.status}`)
  }
  if (!mayBeJson(response)) {
    await response.body?.cancel()
    throw new NoAnswer('the answer says that it is no JSON')
  }
  const bytes = await readAtMost(response, answerBytes(maxMessageBytes))
  if (bytes === undefined) throw new NoAnswer('the answer is too long')
  return bytes.length === 0 ? { kind: 'allow' } : verdictOf(bytes, maxMessageBytes)
}

/** Without a type it may; what names another one is an error page, whatever its status. */
const mayBeJson = ({ status, headers }: Response): boolean => {
  const type = headers.get('content-type')
  return status === 204 || type === null || /^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)
}

function verdictOf(bytes: Buffer, maxMessageBytes: number): Verdict {
  const answer = parsed(bytes)
  if (answer.action === 'allow') return { kind: 'allow' }
  if (answer.action === 'refuse') return { kind: 'refuse', res_code: refusals[answer.code] }
  const { text, data, attach } = answer
  const msg_data =
    text !== undefined ? Buffer.from(text) : data === undefined ? undefined : Buffer.from(data, 'base64')
  if (msg_data !== undefined && msg_data.length > maxMessageBytes)
    throw new NoAnswer('the changed message is too large')
  return {
    kind: 'change',
    ...(msg_data === undefined ? {} : { msg_data }),
    ...(attach === undefined ? {} : { attach }),
  }
}

function parsed(bytes: Buffer): z.output<typeof answerSchema> {
  try {
    return answerSchema.parse(jsonOf(bytes))
  } catch {
    throw new NoAnswer('the answer is none of allow, refuse, change')
  }
}
