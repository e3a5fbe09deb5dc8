/**
 * Whether Redis may have lost what it had answered: a replica became a master, and lacks the latest writes, or a server
 * came back empty. Each master's replication has an id, which changes then.
 */
import type { Redis } from 'ioredis'
import { mastersOf } from './client.js'

/** What was on its way through our processes when the loss was first seen has arrived by then. */
const onItsWay_ms = 10_000

const idOf = (info: string): string | undefined => /^master_replid:(\w+)/m.exec(info)?.[1]

export interface Losses {
  /** True where something may have been lost that `told` was not called for since. Never rejects. */
  look(): Promise<boolean>
  /** Whoever has to know of the losses up to the latest look has been told. */
  told(): void
}

/** A loss is told twice: at once, and once more for what was written by who did not know of it yet. */
export function watchLosses(redis: Redis, now: () => number = () => performance.now()): Losses {
  const known = new Set<string>()
  /** When it is to be told, ms. */
  let due: number[] = []

  return {
    async look() {
      const answers = await Promise.allSettled(mastersOf(redis).map((master) => master.info('replication')))
      const ids = answers.flatMap((each) => (each.status === 'fulfilled' ? (idOf(each.value) ?? []) : []))
      const isNew = ids.some((id) => !known.has(id))
      if (isNew && known.size > 0) due = [now(), now() + onItsWay_ms]
      for (const id of ids) known.add(id)
      return due.some((time) => time <= now())
    },
    told() {
      due = due.filter((time) => time > now())
    },
  }
}
