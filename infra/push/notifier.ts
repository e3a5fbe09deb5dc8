/**
 * Notifies one device: its addresses in order, each with a second attempt at once where the first got no answer. What
 * is unknown after that is for the delay topics: another round starts at the address where this one ended.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type SpanStart, spanWithin, type Tracer } from '../../schemas/tracer.js'
import type {
  DeadToken,
  Notification,
  Notified,
  Notifier,
  ProviderAnswer,
  PushAddress,
  PushProvider,
} from '../../workers/ports/push.js'

export interface NotifierSettings {
  /** By the names that addresses have. */
  readonly providers: ReadonlyMap<string, PushProvider>
  /** Name of the provider for addresses that name none of these, and for devices without an address. */
  readonly fallback: string
  /** Pauses between attempts; as many attempts as pauses and one. */
  readonly pauses_ms?: readonly number[]
  readonly attemptTimeout_ms?: number
  readonly total_ms?: number
  /** After so many notifications in a row without an answer, a provider is left alone for `rest_ms`. */
  readonly failuresBeforeRest?: number
  readonly rest_ms?: number
  readonly tracer?: Tracer
}

interface Attempted {
  readonly answer: ProviderAnswer
  readonly attempts: number
}

interface Address {
  readonly name: string
  readonly provider: PushProvider
  readonly address: PushAddress | undefined
}

/** @throws Error where `fallback` is none of the providers */
export function createNotifier(settings: NotifierSettings): Notifier {
  const { providers } = settings
  const fallback = providers.get(settings.fallback)
  if (fallback === undefined) throw new Error(`There is no push provider ${settings.fallback}`)
  const attempt = createAttempts(settings)

  const addressed = (addresses: readonly PushAddress[]): Address[] => {
    if (addresses.length === 0)
      return fallback.needsToken ? [] : [{ name: fallback.name, provider: fallback, address: undefined }]
    return addresses.map((address) => ({
      name: address.provider,
      provider: providers.get(address.provider) ?? fallback,
      address,
    }))
  }

  return {
    async notify(notification, addresses, from) {
      const all = addressed(addresses)
      const left = from ? all.slice(all.findIndex(({ name }) => name === from)) : all
      const dead: DeadToken[] = []
      let last: Omit<Notified, 'dead'> = {
        outcome: 'refused',
        provider: null,
        answer: 'no push token',
        attempts: 0,
      }
      // Where it was left at is gone: elsewhere it might be shown a second time.
      if (from && !all.some(({ name }) => name === from)) return { ...last, dead }
      for (const { name, provider, address } of left) {
        const { answer, attempts } = await attempt(provider, notification, address)
        last = { ...summaryOf(answer), provider: name, attempts: last.attempts + attempts }
        // After an unknown outcome another provider might show it a second time.
        if (answer.kind !== 'refused') break
        if (answer.tokenIsDead && address)
          dead.push(answer.deadSince === undefined ? address : { ...address, since: answer.deadSince })
      }
      return { ...last, dead }
    },
  }
}

function summaryOf(answered: ProviderAnswer): Pick<Notified, 'outcome' | 'answer' | 'retryAfter_ms'> {
  const { kind, answer } = answered
  if (kind !== 'unknown') return { outcome: kind === 'accepted' ? 'sent' : 'refused', answer }
  const { retryAfter_ms } = answered
  return { outcome: 'unknown', answer, ...(retryAfter_ms === undefined ? {} : { retryAfter_ms }) }
}

function createAttempts({
  pauses_ms = [300],
  attemptTimeout_ms = 5_000,
  total_ms = 9_500,
  failuresBeforeRest = 8,
  rest_ms = 5_000,
  tracer,
}: NotifierSettings) {
  /** Per provider: how many notifications in a row got no answer, and until when (ms) it is left alone. */
  const health = new Map<string, { silent: number; restsUntil: number }>()

  return async (
    provider: PushProvider,
    notification: Notification,
    address: PushAddress | undefined,
  ): Promise<Attempted> => {
    const state = health.get(provider.name) ?? { silent: 0, restsUntil: 0 }
    health.set(provider.name, state)
    // A provider that is away must not hold up the partition for every notification anew.
    if (Date.now() < state.restsUntil)
      return { answer: { kind: 'unknown', answer: 'not tried: the provider does not answer' }, attempts: 0 }

    const deadline = Date.now() + total_ms
    for (let attempts = 1; ; attempts++) {
      const timeout_ms = Math.min(attemptTimeout_ms, deadline - Date.now())
      const answer = await within(tracer, provider, notification, (own) =>
        provider.send(own, address, timeout_ms),
      )
      if (answer.kind !== 'unknown' || answer.retryAfter_ms !== undefined) {
        state.silent = 0
        return { answer, attempts }
      }
      const wait_ms = pauses_ms[attempts - 1]
      if (wait_ms === undefined || Date.now() + wait_ms >= deadline) {
        state.silent += 1
        if (state.silent >= failuresBeforeRest) state.restsUntil = Date.now() + rest_ms
        return { answer, attempts }
      }
      await pause(wait_ms)
    }
  }
}

const attemptStart = ({ name }: PushProvider, { notification_id }: Notification): SpanStart => ({
  name: `push ${name}`,
  kind: 'client',
  attributes: { 'coffeechat.notification.id': notification_id },
})

/** One attempt, in a span of its own where the notification's trace is recorded. */
async function within(
  tracer: Tracer | undefined,
  provider: PushProvider,
  notification: Notification,
  send: (notification: Notification) => Promise<ProviderAnswer>,
): Promise<ProviderAnswer> {
  const span = tracer && spanWithin(tracer, notification.trace, () => attemptStart(provider, notification))
  if (span === undefined) return send(notification)
  const answer = await send({ ...notification, trace: span.trace })
  span.end(answer.kind === 'accepted' ? undefined : answer.kind)
  return answer
}
