/** Whether this gate can serve, part by part, for /readyz (spec 2, "Stopping and starting"; spec 4). */
import { z } from 'zod'
import type { HttpContext } from '../context.js'

const busTimeout_ms = 2_000
const cacheTimeout_ms = 2_000
/** Somebody who asks all the time does not cost the parts more than this. */
const keptFor_ms = 500

const part = z.object({ ok: z.boolean(), reason: z.string().optional() })
export const readinessSchema = z.object({
  ready: z.boolean(),
  parts: z.object({ gateway: part, bus: part, database: part, cache: part, roles: part }),
})
export type Readiness = z.output<typeof readinessSchema>

const fine = { ok: true }
const broken = (reason: string) => ({ ok: false, reason })
const check = (ok: boolean, reason: string) => (ok ? fine : broken(reason))

const within = async <T>(work: Promise<T>, limit_ms: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), limit_ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** The database is known through the workers: gates have no way to it. */
async function readParts({ bus, health, neededRoles, isReady }: HttpContext): Promise<Readiness['parts']> {
  const [isBusThere, workers] = await Promise.all([
    within(bus.isReachable(busTimeout_ms), busTimeout_ms).catch(() => false),
    within(health.check(), cacheTimeout_ms).catch(() => undefined),
  ])
  const missing = neededRoles.filter((role) => !workers?.roles.includes(role))
  return {
    gateway: check(isReady(), 'starting, stopping, or without its lease'),
    bus: check(isBusThere, 'the brokers do not answer'),
    database: check(workers?.database ?? false, 'no worker reaches the database'),
    cache: check(workers !== undefined, 'Redis does not answer'),
    roles: check(workers !== undefined && missing.length === 0, `not running: ${missing.join(', ')}`),
  }
}

/** Reads the parts, at most once at a time and twice a second. */
export function createReadiness(context: HttpContext): () => Promise<Readiness> {
  let latest: { at: number; reading: Promise<Readiness> } | undefined
  const read = async (): Promise<Readiness> => {
    const parts = await readParts(context)
    return { ready: Object.values(parts).every(({ ok }) => ok), parts }
  }
  return () => {
    if (latest === undefined || performance.now() - latest.at > keptFor_ms)
      latest = { at: performance.now(), reading: read() }
    return latest.reading
  }
}
