/** Which topics exist. One that does not would hold up every other record of the same send. */
import { BusUnavailable } from '../../schemas/bus.js'
import type { Admin } from './admin.js'
import { within } from './patience.js'

const list_ms = 3_000
/** A send that takes longer may be waiting for a topic that was deleted. */
const slow_ms = 1_000

export interface KnownTopics {
  /** Those that the brokers do not have; none when they cannot be asked. */
  unknownAmong(topics: ReadonlySet<string>): Promise<ReadonlySet<string>>
  /** Rejects once a slow send turns out to wait for a topic that is gone. */
  watch(topics: ReadonlySet<string>): { readonly gone: Promise<never>; stop(): void }
  forget(): void
}

export function createKnownTopics(admin: Admin): KnownTopics {
  const known = new Set<string>()

  async function unknownAmong(topics: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    if ([...topics].every((topic) => known.has(topic))) return new Set()
    try {
      for (const topic of await within(list_ms, admin.listTopics())) known.add(topic)
    } catch {
      // The send itself will find out.
      return new Set()
    }
    return new Set([...topics].filter((topic) => !known.has(topic)))
  }

  return {
    unknownAmong,
    watch(topics) {
      let timer: NodeJS.Timeout | undefined
      const gone = new Promise<never>((_, reject) => {
        timer = setTimeout(async () => {
          known.clear()
          const [topic] = await unknownAmong(topics)
          if (topic !== undefined) reject(new BusUnavailable(`topic ${topic} is gone`))
        }, slow_ms)
      })
      // Nobody may be listening any more when it rejects.
      gone.catch(() => undefined)
      return { gone, stop: () => clearTimeout(timer) }
    },
    forget: () => known.clear(),
  }
}
