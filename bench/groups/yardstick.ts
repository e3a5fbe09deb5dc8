/**
 * The least code that does the work of a group message over the same hops, in one process: submitted → stored → fanned
 * out → delivered, a row and a session per member with COMMIT, N writes to sockets, acks over one more hop. It knows one
 * group, whose members are whoever is connected, and no presence, checks, limits or errors. A request goes over two
 * empty hops. Started as `node yardstick.js KAFKA POSTGRES_URL TCP_PORT`; says `ready`.
 */
import { createServer, type Socket } from 'node:net'
import type { Message } from 'kafkajs'
import pg from 'pg'
import { commands } from '../../schemas/packets.js'
import { openBatcher, openConsumer, openKafka } from '../kafka.js'
import { fieldsOf, number, packet, packetReader } from '../wire.js'
import { sizes } from './seed.js'

const [, , brokers = '', postgres = '', port = ''] = process.argv
const hops = ['submitted', 'fanout', 'delivery', 'gate', 'acked', 'request'] as const
type Hop = (typeof hops)[number]

const run = Date.now()
const topicOf = (hop: Hop): string => `bench-group.${run}.${hop}`
const { kafka } = await openKafka(brokers, hops.map(topicOf))
const batcherOf = new Map(
  await Promise.all(hops.map(async (hop) => [hop, await openBatcher(kafka, topicOf(hop))] as const)),
)
const publish = (hop: Hop, value: Buffer): void => batcherOf.get(hop)!.add({ key: 'group', value })

async function openDatabase(): Promise<pg.Pool> {
  const name = `bench_group_${run}`
  const boss = new pg.Client({ connectionString: postgres })
  await boss.connect()
  await boss.query(`CREATE DATABASE ${name}`)
  await boss.end()
  const own = new URL(postgres)
  own.pathname = `/${name}`
  const pool = new pg.Pool({ connectionString: own.href, max: 4 })
  await pool.query(`
    CREATE TABLE sent (from_id bigint, msg_id text, number bigint, body bytea, UNIQUE (from_id, msg_id));
    CREATE TABLE received (to_id bigint, number bigint, from_id bigint, msg_id text, PRIMARY KEY (to_id, number));
    CREATE TABLE session (user_id bigint PRIMARY KEY, last bigint, unread bigint) WITH (fillfactor = 50)`)
  return pool
}

const pool = await openDatabase()
const insertSent =
  'INSERT INTO sent SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[])'
const insertCopies = `
  WITH copies AS (
    INSERT INTO received SELECT u, n, f, i FROM unnest($1::bigint[], $2::text[], $3::bigint[]) m(f, i, n),
      unnest($4::bigint[]) u WHERE u <> f)
  INSERT INTO session SELECT u, $5::bigint, $6::bigint FROM unnest($4::bigint[]) u ORDER BY u
  ON CONFLICT (user_id) DO UPDATE SET last = excluded.last, unread = session.unread + excluded.unread`

interface Member {
  readonly socket: Socket
  id: number
}
const members = new Map<number, Member>()
let connections = 0
let numbers = 0
let acks: Buffer[] = []

/** A record: the connection, the request's seq_num, and a body. Connection 0: to all but the sender. */
const recordHeader = 10
function record(connection: number, seqNum: number, commandId: number, body: Buffer): Buffer {
  const header = Buffer.alloc(recordHeader)
  header.writeUInt32BE(connection, 0)
  header.writeUInt16BE(seqNum, 4)
  header.writeUInt32BE(commandId, 6)
  return Buffer.concat([header, body])
}
const bodyOf = (value: Buffer): Buffer => value.subarray(recordHeader)
const valuesOf = (messages: Message[]): Buffer[] => messages.map(({ value }) => value as Buffer)

interface Said {
  readonly from: number
  readonly id: string
  readonly number: number
  readonly value: Buffer
}
const said = (value: Buffer): Said => {
  const fields = fieldsOf(bodyOf(value))
  return {
    from: fields.get(1) as number,
    id: (fields.get(3) as Buffer).toString(),
    number: (fields.get(21) as number | undefined) ?? 0,
    value,
  }
}
const keysOf = (messages: readonly Said[]) => [messages.map(({ from }) => from), messages.map(({ id }) => id)]

async function store(messages: Message[]): Promise<void> {
  const fresh = valuesOf(messages).map((value) => ({ ...said(value), number: ++numbers }))
  const columns = [
    ...keysOf(fresh),
    fresh.map((each) => each.number),
    fresh.map(({ value }) => bodyOf(value)),
  ]
  await pool.query({ name: 'sent', text: insertSent, values: columns })
  for (const each of fresh) {
    const [connection, seqNum] = [each.value.readUInt32BE(0), each.value.readUInt16BE(4)]
    publish('gate', record(connection, seqNum, commands.MSG_DATA_ACK.id, ackOf(each)))
    const numbered = Buffer.concat([bodyOf(each.value), number(21, each.number)])
    publish('fanout', record(0, connection, commands.MSG_DATA.id, numbered))
  }
}

/** from_user_id, msg_id, res_code. */
function ackOf({ from, id }: Said): Buffer {
  const text = Buffer.from(id)
  return Buffer.concat([number(1, from), Buffer.from([(3 << 3) | 2, text.length]), text, number(4, 0)])
}

async function fanOut(messages: Message[]): Promise<void> {
  const values = valuesOf(messages)
  // A larger group is by reading: no rows.
  if (members.size <= sizes.group) {
    const all = values.map(said)
    const readers = [...members.values()].map(({ id }) => id)
    const columns = [...keysOf(all), all.map((each) => each.number), readers, numbers, all.length]
    await pool.query({ name: 'copies', text: insertCopies, values: columns })
  }
  for (const value of values) publish('delivery', value)
}

function write(messages: Message[]): void {
  for (const value of valuesOf(messages)) {
    const [to, seqNum] = [value.readUInt32BE(0), value.readUInt16BE(4)]
    const bytes = packet(value.readUInt32BE(6), seqNum, bodyOf(value))
    if (to > 0) members.get(to)?.socket.write(bytes)
    else for (const [connection, { socket }] of members) if (connection !== seqNum) socket.write(bytes)
  }
}

await Promise.all([
  openConsumer(kafka, topicOf('submitted'), store),
  openConsumer(kafka, topicOf('fanout'), fanOut),
  openConsumer(kafka, topicOf('delivery'), (messages) => {
    for (const value of valuesOf(messages)) publish('gate', value)
  }),
  openConsumer(kafka, topicOf('request'), (messages) => {
    for (const value of valuesOf(messages)) publish('gate', value)
  }),
  openConsumer(kafka, topicOf('gate'), write),
  openConsumer(kafka, topicOf('acked'), () => {}),
])

createServer({ noDelay: true }, (socket) => {
  const connection = ++connections
  const member: Member = { socket, id: 0 }
  socket.on('error', () => {})
  socket.on('close', () => members.delete(connection))
  socket.on(
    'data',
    packetReader((commandId, body, seqNum) => {
      if (commandId === commands.AUTH_TOKEN_REQ.id) {
        member.id = fieldsOf(body).get(1) as number
        members.set(connection, member)
        socket.write(packet(commands.AUTH_TOKEN_RSP.id, seqNum, number(2, 0)))
      } else if (commandId === commands.HEARTBEAT.id) socket.write(packet(commandId, seqNum))
      else if (commandId === commands.MSG_DATA_ACK.id) acks.push(body)
      else if (commandId === commands.MSG_DATA.id) publish('submitted', record(connection, seqNum, 0, body))
      else publish('request', record(connection, seqNum, commandId + 1, Buffer.alloc(0)))
    }),
  )
}).listen(Number(port), '127.0.0.1', () => console.log('ready'))

setInterval(() => {
  if (acks.length === 0) return
  publish('acked', Buffer.concat(acks))
  acks = []
}, 20)
process.on('SIGTERM', () => process.exit(0))
