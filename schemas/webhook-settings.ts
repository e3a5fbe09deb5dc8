/** Settings of the webhooks of the business (docs/webhooks.md). Part of config.ts. */
import { z } from 'zod'
import { count, list, ms, setting } from './setting.js'

// fetch() posts to no address with a user and a password in it.
const address = z.url({ protocol: /^https?$/ }).refine((url) => {
  if (!URL.canParse(url)) return true // that is said by now
  const { username, password } = new URL(url)
  return username === '' && password === ''
}, 'an http(s) address without a user and a password')
const secret = z.string().min(16, 'at least 16 characters').optional()

/** What webhooks are told of; changes of groups are messages. */
export const webhookKinds = ['message', 'receipt', 'presence', 'contact'] as const
export type WebhookKind = (typeof webhookKinds)[number]

/** `kind=address` each; `kind=off` tells nobody. */
const routes = list.transform((items, context) => {
  const named = new Map<string, string | undefined>()
  for (const item of items) {
    const equals = item.indexOf('=')
    const [kind, where] = [item.slice(0, equals), item.slice(equals + 1)]
    const isTold = webhookKinds.some((each) => each === kind)
    if (isTold && where === 'off') named.set(kind, undefined)
    else if (isTold && address.safeParse(where).success) named.set(kind, where)
    else
      context.addIssue({
        code: 'custom',
        message: `each is one of ${webhookKinds.join(', ')}, =, and an http(s) address or off`,
      })
  }
  return named as ReadonlyMap<string, string | undefined>
})

export const webhookSettings = {
  WEBHOOK_BEFORE_SEND_URL: setting(address.optional(), undefined, 'asked before a message is stored'),
  WEBHOOK_BEFORE_SEND_SECRET: setting(secret, undefined, 'signs those posts (HMAC-SHA-256)'),
  WEBHOOK_BEFORE_SEND_TIMEOUT_MS: setting(
    ms(50, 9_000),
    '1000',
    'how long messages wait for its answers; below MESSAGE_ACK_TIMEOUT_MS',
  ),
  WEBHOOK_BEFORE_SEND_ON_FAILURE: setting(
    z.enum(['allow', 'refuse']),
    'allow',
    'what happens to a message about which it does not answer: stored, or refused as SERVER_BUSY',
  ),
  WEBHOOK_EVENTS_URL: setting(address.optional(), undefined, 'told what has happened'),
  WEBHOOK_EVENTS_ROUTES: setting(
    routes,
    '',
    'other addresses for messages, receipts, presence or contacts, or none: receipt=https://…,presence=off',
  ),
  WEBHOOK_EVENTS_SECRET: setting(secret, undefined, 'signs the posts to all of those (HMAC-SHA-256)'),
  WEBHOOK_EVENTS_TIMEOUT_MS: setting(ms(50, 30_000), '5000', 'how long one of those posts may take'),
  WEBHOOK_RETRY_DELAYS_MS: setting(
    list
      .transform((items) => items.map(Number))
      .pipe(z.array(z.number().int().min(100).max(3_600_000)).length(3)),
    '10000,60000,600000',
    'delays after which an event that was not taken is posted again; the last one repeats',
  ),
  WEBHOOK_RETRIES: setting(
    count(0, 1_000),
    '24',
    'how often an event is posted again, then it is a dead letter',
  ),
  WEBHOOK_EVENTS_MAX_AGE_MS: setting(
    ms(1_000, 518_400_000),
    '259200000',
    'how long events wait for an address that takes nothing, then they are dead letters',
  ),
} as const

type Settings = typeof webhookSettings
type WebhookConfig = { readonly [K in keyof Settings]: z.output<Settings[K]['schema']> }

/** Where events of this kind go; undefined: nobody is told of them. */
export const addressFor = (
  { WEBHOOK_EVENTS_URL, WEBHOOK_EVENTS_ROUTES }: WebhookConfig,
  kind: string,
): string | undefined =>
  WEBHOOK_EVENTS_ROUTES.has(kind) ? WEBHOOK_EVENTS_ROUTES.get(kind) : WEBHOOK_EVENTS_URL

/** Whether anybody is told of anything. */
export const tellsEvents = (config: WebhookConfig): boolean =>
  webhookKinds.some((kind) => addressFor(config, kind) !== undefined)

/** What each setting's value alone cannot show. A webhook that is called has to be able to tell that it is we who call. */
export function webhookContradictions(
  config: WebhookConfig & { readonly PROFILE: string; readonly MESSAGE_ACK_TIMEOUT_MS: number },
): string[] {
  const faults: string[] = []
  const production = config.PROFILE === 'production'
  if (production && config.WEBHOOK_BEFORE_SEND_URL && !config.WEBHOOK_BEFORE_SEND_SECRET)
    faults.push('WEBHOOK_BEFORE_SEND_URL needs WEBHOOK_BEFORE_SEND_SECRET in production')
  if (production && tellsEvents(config) && !config.WEBHOOK_EVENTS_SECRET)
    faults.push('WEBHOOK_EVENTS_URL and WEBHOOK_EVENTS_ROUTES need WEBHOOK_EVENTS_SECRET in production')
  if (
    config.WEBHOOK_BEFORE_SEND_URL &&
    config.WEBHOOK_BEFORE_SEND_TIMEOUT_MS >= config.MESSAGE_ACK_TIMEOUT_MS
  )
    faults.push(
      'WEBHOOK_BEFORE_SEND_TIMEOUT_MS must be below MESSAGE_ACK_TIMEOUT_MS, or senders give up before it answers',
    )
  return faults
}
