/** What a system could not use (spec 2, I8). */
import { Kafka, logLevel } from 'kafkajs'
import type { System } from './system.js'

/** The dead-letter topics that are not empty. */
export async function deadLetters({ kafka, prefix }: Pick<System, 'kafka' | 'prefix'>): Promise<string[]> {
  const admin = new Kafka({ brokers: [kafka], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const topics = (await admin.listTopics()).filter(
      (topic) => topic.startsWith(prefix) && topic.endsWith('.dlq'),
    )
    const filled: string[] = []
    for (const topic of topics)
      if ((await admin.fetchTopicOffsets(topic)).some(({ high, low }) => high !== low)) filled.push(topic)
    return filled
  } finally {
    await admin.disconnect()
  }
}
