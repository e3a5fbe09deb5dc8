// Prints what is said, read from message.stored in either form: JSON, or protobuf where TOPICS_IN_PROTOBUF names the
// topic (docs/topics.md). What a record is, its own header says.
//   npm install kafkajs protobufjs
//   curl -o business.proto http://localhost:8080/business.proto
//   KAFKA_BROKERS=localhost:9092 npx tsx docs/examples/messages.ts business.proto
import { Kafka, logLevel } from 'kafkajs'
import protobuf from 'protobufjs'

interface Message {
  readonly conversation: string
  readonly server_msg_id: string
  readonly from_user_id: string
  readonly text: string
}

const { KAFKA_BROKERS = 'localhost:9092', TOPIC_PREFIX: prefix = 'im.' } = process.env
const [schema = 'business.proto'] = process.argv.slice(2)
const root = await new protobuf.Root().load(schema, { keepCase: true })
const stored = root.lookupType('coffeechat.business.MessageStored')

function fromJson(value: Buffer): Message {
  const { data, ...message } = JSON.parse(value.toString())
  return { ...message, text: Buffer.from(data, 'base64').toString() }
}

function fromProtobuf(value: Buffer): Message {
  // Ids are 64 bits wide: as text, since a number of JavaScript holds 53.
  const { data, ...message } = stored.toObject(stored.decode(value), { longs: String })
  return { ...message, text: data.toString() } as Message
}

const kafka = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR })
const consumer = kafka.consumer({ groupId: 'my-archive-ts' })
await consumer.connect()
await consumer.subscribe({ topic: `${prefix}message.stored`, fromBeginning: true })
await consumer.run({
  eachMessage: async ({ message: { value, headers } }) => {
    const read = String(headers?.['content-type']) === 'application/x-protobuf' ? fromProtobuf : fromJson
    const { conversation, server_msg_id, from_user_id, text } = read(value!)
    console.log(conversation, server_msg_id, from_user_id, text)
  },
})
