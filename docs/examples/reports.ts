// Prints what clients report, and goes on where it stopped when it is started again (docs/topics.md).
//   npm install kafkajs
//   KAFKA_BROKERS=localhost:9092 npx tsx docs/examples/reports.ts
import { Kafka, logLevel } from 'kafkajs'

interface Report {
  readonly report_id: string
  readonly report_type: string
  readonly user_id: string
  readonly payload: string
  /** Published before: the client did not hear of it and sent it again. */
  readonly repeated?: true
}

const { KAFKA_BROKERS = 'localhost:9092', TOPIC_PREFIX: prefix = 'im.' } = process.env
const kafka = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR })
const consumer = kafka.consumer({ groupId: 'my-business-ts' })
await consumer.connect()
await consumer.subscribe({ topic: `${prefix}report.submitted`, fromBeginning: true })
await consumer.run({
  // What throws here comes again; what returns is committed.
  eachMessage: async ({ message }) => {
    const report: Report = JSON.parse(String(message.value))
    if (report.repeated) return
    console.log(report.user_id, report.report_type, Buffer.from(report.payload, 'base64').toString())
  },
})
