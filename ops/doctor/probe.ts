/** Writes a record through the very producer that the system uses, and reads it back. */
import type { Bus, IncomingRecord } from '../../schemas/bus.js'
import { probeTopic } from '../../schemas/probe.js'
import type { Operation } from '../consumer-groups.js'
import type { Probe } from './parts.js'

const partition = 0

/** @throws Error where the brokers do not take it, or do not give it back */
export async function probe({ bus: inspection, now }: Operation, bus: Bus, prefix: string): Promise<Probe> {
  const topic = probeTopic(prefix)
  await bus.ensureTopics([topic])
  const producer = await bus.producer('doctor')
  const name = `${process.pid}-${now()}`
  const record = { topic: topic.name, key: name, value: Buffer.alloc(0) }
  // The first one waits for the connection.
  await producer.publish([{ ...record, key: null }])
  const sent = now()
  await producer.publish([record])
  const acked = now()
  const found = await readBack(inspection, topic.name, name)
  return { took_ms: now() - sent, ahead_ms: found.timestamp - (sent + acked) / 2 }
}

async function readBack(inspection: Operation['bus'], topic: string, key: string): Promise<IncomingRecord> {
  const [ends] = await inspection.ends(topic)
  const { low = 0, high = 0 } = ends ?? {}
  for await (const records of inspection.read(topic, { partition, from: low, to: high })) {
    const found = records.find((record) => record.key === key)
    if (found !== undefined) return found
  }
  throw new Error(`a record was written to ${topic} and cannot be found there`)
}
