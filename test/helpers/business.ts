/** A business's own producer on the bus of a running system: plain kafkajs, nothing of ours. */
import { Kafka, logLevel } from 'kafkajs'
import { fullName, topics } from '../../schemas/topics.js'
import type { System } from './system.js'

export interface Business {
  /** Writes a request as JSON, or these very bytes. */
  push(request: object | Buffer, headers?: Record<string, string>): Promise<void>
  close(): Promise<void>
}

export async function openBusiness({ kafka, prefix }: System): Promise<Business> {
  const producer = new Kafka({ brokers: [kafka], logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  return {
    async push(request, headers = {}) {
      const value = Buffer.isBuffer(request) ? request : JSON.stringify(request)
      await producer.send({ topic: fullName(prefix, topics.pushRequested), messages: [{ value, headers }] })
    },
    close: () => producer.disconnect(),
  }
}
