// Pushes something to a user's devices and waits until one of them has acked it (docs/topics.md).
//   npm install kafkajs
//   KAFKA_BROKERS=localhost:9092 npx tsx docs/examples/push.ts 1001 "Your order is paid"
import { randomUUID } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'

interface PushResult {
  readonly push_id: string
  readonly user_id?: string
  readonly outcome: 'sent' | 'acked' | 'dropped_offline' | 'stored' | 'notified' | 'expired' | 'rejected'
  readonly reason?: string
}

const { KAFKA_BROKERS = 'localhost:9092', TOPIC_PREFIX: prefix = 'im.' } = process.env
const [user_id, text] = process.argv.slice(2)
const kafka = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR })

const push_id = randomUUID() // send it again under the same one: it is not delivered twice
const results = kafka.consumer({ groupId: `push-${push_id}` })
await results.connect()
await results.subscribe({ topic: `${prefix}push.result`, fromBeginning: true })
const ended = new Promise<void>((resolve) => {
  void results.run({
    eachMessage: async ({ message }) => {
      const result: PushResult = JSON.parse(String(message.value))
      if (result.push_id !== push_id) return
      console.log(result.outcome, result.reason ?? '')
      if (result.outcome !== 'sent' && result.outcome !== 'stored') resolve()
    },
  })
})

const producer = kafka.producer()
await producer.connect()
const request = {
  push_id,
  push_type: 'order.paid',
  to: { user_ids: [user_id] },
  json: { text },
  offline: 'store',
}
await producer.send({ topic: `${prefix}push.requested`, messages: [{ value: JSON.stringify(request) }] })
await producer.disconnect()
console.log('pushed', push_id)

await ended
await results.disconnect()
