/** What a setting is; what the values of settings may look like, and what they become. */
import { z } from 'zod'
import './complaints.js'

export const port = z.coerce.number().int().min(0).max(65_535)
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
export const [ms, count, bytes] = [whole, whole, whole]
export const flag = z
  .enum(['true', 'false', '1', '0'])
  .transform((value) => value === 'true' || value === '1')
/** Items separated by commas. */
export const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)
/** Three delays in ms, each in a delay topic of its own. */
export const delays = list
  .transform((items) => items.map(Number))
  .pipe(z.array(z.number().int().min(100).max(3_600_000)).length(3))
/** Five or six cron fields; node-cron checks them again when the job is made. */
export const cron = z.string().regex(/^\S+(\s+\S+){4,5}$/, 'five or six cron fields')
export const httpsOrigin = z
  .url({ protocol: /^https$/ })
  .refine((url) => new URL(url).pathname === '/', 'an address without a path')
  .transform((url) => new URL(url).origin)
export const adapter = z.enum(['apns', 'fcm', 'webhook', 'log'])
const webhookAddress = z.url({ protocol: /^https?$/ })

/** `name=where` each. */
export const providerNames = list.transform((items, context) => {
  const named = new Map<string, string>()
  for (const item of items) {
    const [, name, where] = /^([a-z0-9_-]{1,32})=(.+)$/.exec(item) ?? []
    if (name !== undefined && where !== undefined && webhookAddress.or(adapter).safeParse(where).success)
      named.set(name, where)
    else
      context.addIssue({
        code: 'custom',
        message: 'each is a name (a-z, 0-9, _ and -), =, and apns, fcm, webhook, log or an http(s) address',
      })
  }
  return named as ReadonlyMap<string, string>
})

/** A setting: how its value is read, its default, and what it means. */
export const setting = <S extends z.ZodType>(schema: S, fallback: string | undefined, meaning: string) => ({
  schema,
  fallback,
  meaning,
})

/** Whether only this machine can reach that address or name. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
