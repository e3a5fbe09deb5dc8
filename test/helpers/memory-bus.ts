/**
 * A bus in this process: topics of one partition, offsets, groups that begin where they are told to, batches in
 * order. For tests whose subject is not the broker; the adapter of the real one is tested against the real one.
 */
import {
  type Bus,
  BusUnavailable,
  type Consumer,
  type ConsumerOptions,
  type IncomingRecord,
  type OutgoingRecord,
} from '../../schemas/bus.js'

export interface MemoryBus extends Bus {
  /** While away nothing is taken, and publishers hear BusUnavailable. */
  setAway(away: boolean): void
  /** Everything in a topic, oldest first. */
  recordsOf(topic: string): readonly IncomingRecord[]
}

interface Reader {
  readonly options: ConsumerOptions
  readonly next: Map<string, number>
  running: Promise<void> | undefined
  stopped: boolean
}

export function createMemoryBus(): MemoryBus {
  const logs = new Map<string, IncomingRecord[]>()
  const readers = new Set<Reader>()
  let isAway = false
  const logOf = (topic: string): IncomingRecord[] => {
    const log = logs.get(topic) ?? []
    logs.set(topic, log)
    return log
  }

  const read = async (reader: Reader): Promise<void> => {
    for (const topic of reader.options.topics) {
      const records = logOf(topic).slice(reader.next.get(topic))
      if (records.length === 0 || reader.stopped) continue
      const isOurs = () => !reader.stopped
      await reader.options.onBatch({ topic, partition: 0, records, isOurs, heartbeat: async () => {} })
      reader.next.set(topic, records.at(-1)!.offset + 1)
    }
  }
  const isBehind = ({ options, next }: Reader): boolean =>
    options.topics.some((topic) => logOf(topic).length > (next.get(topic) ?? 0))

  const wake = (reader: Reader): void => {
    reader.running ??= Promise.resolve().then(async () => {
      while (!reader.stopped && isBehind(reader)) await read(reader)
      reader.running = undefined
    })
  }

  const append = ({ topic, key, value, headers }: OutgoingRecord): void => {
    const log = logOf(topic)
    const offset = log.length
    log.push({ topic, partition: 0, offset, key, value, headers: headers ?? {}, timestamp: Date.now() })
  }

  return {
    setAway: (away) => {
      isAway = away
    },
    recordsOf: logOf,
    async producer(_name, options) {
      return {
        async publish(records) {
          await Promise.resolve()
          if (isAway || options?.beforeSend?.() === false) throw new BusUnavailable('away')
          records.forEach(append)
          readers.forEach(wake)
        },
        close: async () => {},
      }
    },
    async consumer(options) {
      const start = (topic: string) => (options.start === 'end' ? logOf(topic).length : 0)
      const next = new Map(options.topics.map((topic) => [topic, start(topic)]))
      const reader: Reader = { options, next, running: undefined, stopped: false }
      readers.add(reader)
      wake(reader)
      return {
        ready: Promise.resolve(),
        isReady: () => !reader.stopped,
        commit: async () => {},
        rewind: async () => {},
        async stop() {
          reader.stopped = true
          readers.delete(reader)
          await reader.running
        },
      } satisfies Consumer
    },
    ensureTopics: async (topics) => topics.map(({ name }) => name).filter((name) => !logs.has(name)),
    deleteTopics: async (names) => names.forEach((name) => void logs.delete(name)),
    listTopics: async () => [...logs.keys()],
    isReachable: async () => !isAway,
    close: async () => {},
  }
}
