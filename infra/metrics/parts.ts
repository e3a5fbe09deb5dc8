/** Whether what a process stands on answers, part by part, for its /readyz. */
import type { Redis } from 'ioredis'
import type pg from 'pg'
import type { Bus } from '../../schemas/bus.js'
import type { OpsPart } from './ops-server.js'

const limit_ms = 2_000
/** Somebody who asks all the time does not cost the parts more than this. */
const keptFor_ms = 1_000

export interface CheckedParts {
  readonly bus: Pick<Bus, 'isReachable'>
  readonly redis: Pick<Redis, 'ping'>
  readonly pool: Pick<pg.Pool, 'query'> | undefined
}

type Parts = Readonly<Record<string, OpsPart>>

async function check(what: string, ask: Promise<unknown>): Promise<OpsPart> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, limit_ms, false)
  })
  const answered = await Promise.race([
    ask.then(
      (answer) => answer !== false,
      () => false,
    ),
    late,
  ])
  clearTimeout(timer)
  return answered ? { ok: true } : { ok: false, reason: `${what} does not answer` }
}

/** Asks all parts at once, at most once a second. */
export function createPartChecks({ bus, redis, pool }: CheckedParts): () => Promise<Parts> {
  let latest: { readonly at: number; readonly parts: Promise<Parts> } | undefined

  async function ask(): Promise<Parts> {
    const [busPart, cache, database] = await Promise.all([
      check('Kafka', bus.isReachable(limit_ms)),
      check('Redis', redis.ping()),
      pool && check('PostgreSQL', pool.query('SELECT 1')),
    ])
    return { bus: busPart, cache, ...(database === undefined ? {} : { database }) }
  }

  return () => {
    if (latest === undefined || performance.now() - latest.at > keptFor_ms)
      latest = { at: performance.now(), parts: ask() }
    return latest.parts
  }
}
