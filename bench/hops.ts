/**
 * Three empty Kafka hops: each message is produced and consumed three times and nothing is done with it.
 * What no path over this bus can beat; the yardstick where tools/floor.mjs is absent.
 */
import type { Message } from 'kafkajs'
import { openBatcher, openConsumer, openKafka } from './kafka.js'
import type { Path, PathEvents } from './path.js'

const hopCount = 3
const payloadBytes = 150

/**
 * Makes three topics and joins them into one way. A message counts as answered once the broker has it in the
 * first, as delivered when it was fetched from the last.
 * @param brokers host:port, comma-separated
 */
export async function openHops(brokers: string, pairs: number, events: PathEvents): Promise<Path> {
  const run = Date.now()
  const topics = Array.from({ length: hopCount }, (_, hop) => `bench-hop.${run}.${hop}`)
  const { kafka, removeTopics } = await openKafka(brokers, topics)

  const indexOf = ({ value }: Message) => (value as Buffer).readUInt32BE(0)
  const batchers = await Promise.all(
    topics.map((topic, hop) =>
      openBatcher(kafka, topic, (messages) => {
        if (hop === 0) for (const message of messages) events.answered(indexOf(message), 0)
      }),
    ),
  )
  const consumers = await Promise.all(
    topics.map((topic, hop) =>
      openConsumer(kafka, topic, (messages) => {
        const next = batchers[hop + 1]
        for (const message of messages) {
          if (next !== undefined) next.add(message)
          else events.delivered(indexOf(message))
        }
      }),
    ),
  )
  return {
    pairs,
    send(pair, index) {
      const value = Buffer.alloc(payloadBytes)
      value.writeUInt32BE(index, 0)
      batchers[0]?.add({ key: `pair ${pair}`, value })
    },
    faults: () => [],
    async close() {
      await Promise.all([...consumers, ...batchers].map((each) => each.close()))
      await removeTopics()
    },
  }
}
