/**
 * Events to the bus. What one turn of the event loop brings is published together; a failure is told to the requests
 * that wait for an answer, since their records may or may not be there (spec 2, "Single chat" 1).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Bus, BusUnavailable, type OutgoingRecord, type Producer } from '../schemas/bus.js'
import type { Logger } from '../schemas/log.js'
import { packEvents } from '../schemas/packing.js'
import { type AnyTopic, type EventOf, fullName, recordOf } from '../schemas/topics.js'
import type { ClientRequest } from './pending.js'

export interface Publisher {
  /** Queues an event. A request given with it fails when the bus does not confirm. */
  submit<T extends AnyTopic>(topic: T, event: EventOf<T>, request?: ClientRequest): void
  /** Resolves when the bus has the records; rejects with BusUnavailable, at once while suspended. */
  publish(records: readonly OutgoingRecord[]): Promise<void>
  close(): Promise<void>
}

interface PublisherOptions {
  readonly bus: Bus
  readonly prefix: string
  /** Partitions of the busy topics, as far as this gate knows. */
  readonly lanes: number
  /** Nothing leaves a gate whose lease is in doubt, not even what was queued before (I9). */
  readonly isSuspended: () => boolean
  readonly onFailed: (request: ClientRequest) => void
  readonly log: Logger
}

/** Of one record; what comes meanwhile waits for the next. */
const packedEvents = 500
/** How long events of packed topics are collected: nobody waits for them. */
const collect_ms = 20

/** Events of one lane of a packed topic, on their way. */
interface Lane {
  readonly events: Uint8Array[]
  underWay: Promise<void> | undefined
}

/**
 * Events of packed topics, lane by lane: while one record is collected and under way the next waits. Nobody waits for
 * an answer to them; what is lost with a failure comes again (an ack: after the next delivery).
 */
function createPacking(prefix: string, lanes: number, publish: Publisher['publish'], log: Logger) {
  const waiting = new Map<string, Lane>()

  async function send(topic: AnyTopic, partition: number, lane: Lane): Promise<void> {
    await pause(collect_ms)
    while (lane.events.length > 0) {
      const value = packEvents(lane.events.splice(0, packedEvents))
      await publish([{ topic: fullName(prefix, topic), key: null, partition, value }]).catch(
        (error: unknown) => log.warn({ err: error, topic: topic.name }, 'the bus did not confirm'),
      )
    }
    lane.underWay = undefined
  }

  return {
    add<T extends AnyTopic>(topic: T, event: EventOf<T>): void {
      const number: number = (topic.lane?.(event) ?? 0) % lanes
      const name = `${topic.name}/${number}`
      let lane = waiting.get(name)
      if (lane === undefined) {
        lane = { events: [], underWay: undefined }
        waiting.set(name, lane)
      }
      lane.events.push(topic.encode(event))
      lane.underWay ??= send(topic, number, lane)
    },
    /** Resolves when what was added is sent. */
    async settled(): Promise<void> {
      await Promise.all([...waiting.values()].map(({ underWay }) => underWay))
    },
  }
}

export async function createPublisher(options: PublisherOptions): Promise<Publisher> {
  const { bus, prefix, lanes, isSuspended, onFailed, log } = options
  const producer: Producer = await bus.producer('gateway', { beforeSend: () => !isSuspended() })
  let records: OutgoingRecord[] = []
  let requests: ClientRequest[] = []

  const publish = async (batch: readonly OutgoingRecord[]): Promise<void> => {
    if (isSuspended()) throw new BusUnavailable('the lease of this gate is in doubt')
    await producer.publish(batch)
  }

  const flush = (): void => {
    const asked = requests
    const batch = records
    records = []
    requests = []
    publish(batch).catch((error: unknown) => {
      log.warn({ err: error, records: batch.length }, 'the bus did not confirm')
      for (const request of asked) onFailed(request)
    })
  }

  const packing = createPacking(prefix, lanes, publish, log)

  return {
    submit(topic, event, request) {
      if (topic.packed !== undefined) return packing.add(topic, event)
      if (records.push(recordOf(prefix, topic, event)) === 1) queueMicrotask(flush)
      if (request !== undefined) requests.push(request)
    },
    publish,
    async close() {
      await packing.settled()
      await producer.close()
    },
  }
}
