/**
 * Encodes a request to publish in one buffer of its exact size. kafkajs makes a buffer for every record, header, batch,
 * partition, topic and request, and copies each into the next: a fifth of what a busy process computes.
 * Importing this file before kafkajs puts ours in its place.
 */
import { createRequire } from 'node:module'

interface RecordInput {
  key?: Buffer | string | null
  value: Buffer | string | null
  headers?: Readonly<Record<string, unknown>>
  timestamp?: string | number
}

interface PartitionInput {
  partition: number
  firstSequence?: number
  messages: readonly RecordInput[]
}

interface ProduceInput {
  acks: number
  timeout: number
  transactionalId?: string | null
  /** A decimal number. */
  producerId?: { toString(): string }
  producerEpoch?: number
  compression?: number
  topicData: readonly { topic: string; partitions: readonly PartitionInput[] }[]
}

/** The part of kafkajs' Encoder that its requests are read through. */
interface Encoded {
  readonly buf: Buffer
  readonly buffer: Buffer
  size(): number
}

interface ProduceRequest {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  expectResponse(): boolean
  encode(): Promise<Encoded>
}

const requireModule = createRequire(import.meta.url)
const pathOf = (file: string): string => requireModule.resolve(`kafkajs/src/${file}`)
const crc32C = requireModule(pathOf('protocol/recordBatch/crc32C/index.js')) as (bytes: Buffer) => number
const producePath = pathOf('protocol/requests/produce/v3/request.js')

/** kafkajs' own, for what is rare: compression, transactions, timestamps and headers in bytes. */
export const produceSlowly = requireModule(producePath) as (input: ProduceInput) => ProduceRequest

/** Bytes of a zigzag varint; lengths and deltas are never negative here. */
function sizeOfVarInt(value: number): number {
  let bytes = 1
  for (let rest = value * 2; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1
  return bytes
}

function writeVarInt(buffer: Buffer, value: number, at: number): number {
  let rest = value * 2
  let end = at
  for (; rest >= 128; rest >>>= 7) buffer[end++] = (rest & 127) | 128
  buffer[end++] = rest
  return end
}

type Bytes = Buffer | string | null | undefined

const lengthOf = (value: Bytes): number =>
  value == null ? 0 : typeof value === 'string' ? Buffer.byteLength(value) : value.length

const sizeOfBytes = (length: number): number => sizeOfVarInt(length) + length

/** A length of −1 is the single byte 1. */
function writeNullable(buffer: Buffer, value: Bytes, at: number): number {
  if (value == null) {
    buffer[at] = 1
    return at + 1
  }
  const length = lengthOf(value)
  const start = writeVarInt(buffer, length, at)
  if (typeof value === 'string') buffer.write(value, start, length, 'utf8')
  else value.copy(buffer, start)
  return start + length
}

const noHeaders: Readonly<Record<string, unknown>> = {}

/** Of a record without its own length. */
function sizeOfRecord({ key, value, headers = noHeaders }: RecordInput, offsetDelta: number): number {
  // attributes and the timestamp's delta are a zero byte each
  let size = 2 + sizeOfVarInt(offsetDelta) + sizeOfBytes(lengthOf(key)) + sizeOfBytes(lengthOf(value))
  let count = 0
  for (const name in headers) {
    size += sizeOfBytes(Buffer.byteLength(name)) + sizeOfBytes(lengthOf(headers[name] as string))
    count += 1
  }
  return size + sizeOfVarInt(count)
}

/** Record version 2 of Kafka's protocol: varint length, attributes, deltas, key, value, headers. */
function writeRecord(
  buffer: Buffer,
  record: RecordInput,
  size: number,
  offsetDelta: number,
  from: number,
): number {
  const { key, value, headers = noHeaders } = record
  let at = writeVarInt(buffer, size, from)
  buffer[at++] = 0
  buffer[at++] = 0
  at = writeVarInt(buffer, offsetDelta, at)
  at = writeNullable(buffer, key, at)
  at = writeNullable(buffer, value, at)
  const names = Object.keys(headers)
  at = writeVarInt(buffer, names.length, at)
  for (const name of names) {
    at = writeNullable(buffer, name, at)
    at = writeNullable(buffer, headers[name] as string, at)
  }
  return at
}

/** Before the first record of a batch: offset, length, leader's epoch, magic, CRC, and what the CRC covers. */
const batchHeadBytes = 61
const crcAt = 17
const crcCovers = 21
const magic = 2

interface PlannedBatch extends PartitionInput {
  /** Of each record, without its own length. */
  readonly sizes: readonly number[]
  readonly bytes: number
}

function plan(input: PartitionInput): PlannedBatch {
  const sizes = input.messages.map(sizeOfRecord)
  let bytes = batchHeadBytes
  for (const size of sizes) bytes += sizeOfBytes(size)
  return { ...input, sizes, bytes }
}

/** RecordBatch, magic 2. */
function writeBatch(buffer: Buffer, batch: PlannedBatch, input: ProduceInput, from: number): number {
  const { messages, sizes, bytes, firstSequence = 0 } = batch
  const now = BigInt(Date.now())
  let at = buffer.writeBigInt64BE(0n, from)
  at = buffer.writeInt32BE(bytes - 12, at)
  at = buffer.writeInt32BE(0, at)
  at = buffer.writeInt8(magic, at) + 4
  at = buffer.writeInt16BE(0, at)
  at = buffer.writeInt32BE(messages.length - 1, at)
  at = buffer.writeBigInt64BE(now, at)
  at = buffer.writeBigInt64BE(now, at)
  at = buffer.writeBigInt64BE(BigInt(input.producerId?.toString() ?? -1), at)
  at = buffer.writeInt16BE(input.producerEpoch ?? 0, at)
  at = buffer.writeInt32BE(firstSequence, at)
  at = buffer.writeInt32BE(messages.length, at)
  for (const [offsetDelta, record] of messages.entries())
    at = writeRecord(buffer, record, sizes[offsetDelta]!, offsetDelta, at)
  buffer.writeUInt32BE(crc32C(buffer.subarray(from + crcCovers, at)), from + crcAt)
  return at
}

function writeString(buffer: Buffer, text: string, at: number): number {
  const length = buffer.write(text, at + 2)
  buffer.writeInt16BE(length, at)
  return at + 2 + length
}

/** Produce, versions 3 to 7: transactional_id, acks, timeout, and the batches by topic and partition. */
function encode(input: ProduceInput): Buffer {
  const topics = input.topicData.map(({ topic, partitions }) => ({ topic, batches: partitions.map(plan) }))
  let size = 2 + 2 + 4 + 4
  for (const { topic, batches } of topics) {
    size += 2 + Buffer.byteLength(topic) + 4
    for (const { bytes } of batches) size += 4 + 4 + bytes
  }
  const buffer = Buffer.allocUnsafe(size)
  let at = buffer.writeInt16BE(-1, 0)
  at = buffer.writeInt16BE(input.acks, at)
  at = buffer.writeInt32BE(input.timeout, at)
  at = buffer.writeInt32BE(topics.length, at)
  for (const { topic, batches } of topics) {
    at = writeString(buffer, topic, at)
    at = buffer.writeInt32BE(batches.length, at)
    for (const batch of batches) {
      at = buffer.writeInt32BE(batch.partition, at)
      at = buffer.writeInt32BE(batch.bytes, at)
      at = writeBatch(buffer, batch, input, at)
    }
  }
  return buffer
}

function isPlainRecord({ headers, timestamp }: RecordInput): boolean {
  for (const name in headers) if (typeof headers[name] !== 'string') return false
  return timestamp === undefined
}

const isPlain = ({ compression = 0, transactionalId, topicData }: ProduceInput): boolean =>
  compression === 0 &&
  transactionalId == null &&
  topicData.every(({ partitions }) => partitions.every(({ messages }) => messages.every(isPlainRecord)))

/** kafkajs' Produce request, version 3, which the later ones are made from. */
export const produce = (input: ProduceInput): ProduceRequest => ({
  ...produceSlowly(input),
  async encode() {
    if (!isPlain(input)) return produceSlowly(input).encode()
    const buffer = encode(input)
    return { buf: buffer, buffer, size: () => buffer.length }
  },
})

/** The head of every request, before its body: kafkajs copies the body twice for it. */
async function withHead({
  correlationId,
  clientId,
  request,
}: {
  correlationId: number
  clientId: string
  request: ProduceRequest
}): Promise<Pick<Encoded, 'buffer'>> {
  const body = (await request.encode()).buffer
  const headBytes = 4 + 2 + 2 + 4 + 2 + Buffer.byteLength(clientId)
  const buffer = Buffer.allocUnsafe(headBytes + body.length)
  let at = buffer.writeInt32BE(buffer.length - 4, 0)
  at = buffer.writeInt16BE(request.apiKey, at)
  at = buffer.writeInt16BE(request.apiVersion, at)
  at = buffer.writeInt32BE(correlationId, at)
  at = writeString(buffer, clientId, at)
  body.copy(buffer, at)
  return { buffer }
}

interface Message extends RecordInput {
  partition?: number
}

/** kafkajs copies all earlier messages of a partition for each further one. */
function byPartition({
  topic,
  partitionMetadata,
  messages,
  partitioner,
}: {
  topic: string
  partitionMetadata: readonly unknown[]
  messages: readonly Message[]
  partitioner: (choice: { topic: string; partitionMetadata: readonly unknown[]; message: Message }) => number
}): Record<number, Message[]> {
  const groups: Record<number, Message[]> = {}
  if (partitionMetadata.length === 0) return groups
  for (const message of messages) {
    const partition = partitioner({ topic, partitionMetadata, message })
    groups[partition] ??= []
    groups[partition].push(message)
  }
  return groups
}

function replace(path: string, ours: unknown): void {
  requireModule(path)
  requireModule.cache[path]!.exports = ours
}

replace(producePath, produce)
replace(pathOf('protocol/request.js'), withHead)
replace(pathOf('producer/groupMessagesPerPartition.js'), byPartition)
