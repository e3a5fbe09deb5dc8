/**
 * Asks brokers for the folders of their logs: whether they are in use, and how much room there is. kafkajs does not
 * know the request (DescribeLogDirs), so it is written and read here by hand.
 */
import type { LogFolder } from '../../ops/ports.js'
import type { Broker } from './cluster.js'

const apiKey = 35
/** The first that tells how much room there is: Kafka 3.3. */
const apiVersion = 4
const [noError, clusterAuthorizationFailed] = [0, 31]

/**
 * A flexible request: the head's tagged fields, topics (an array of none, with its length plus one: the folders are
 * wanted without what lies in them), the body's tagged fields.
 */
const body = Buffer.from([0, 1, 0])

/** Reads what flexible versions of Kafka's protocol are made of. */
function createReader(bytes: Buffer) {
  let at = 0
  const take = (count: number): number => {
    at += count
    return at - count
  }
  function varint(): number {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(take(1))
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  function text(): string {
    const length = varint() - 1
    return bytes.toString('utf8', take(length), at)
  }
  return {
    int16: () => bytes.readInt16BE(take(2)),
    int64: () => Number(bytes.readBigInt64BE(take(8))),
    text,
    array: <T>(element: () => T): T[] => Array.from({ length: varint() - 1 }, element),
    skip: (count: number): void => void take(count),
    /** Of which nothing is known here. */
    tags(): void {
      for (let left = varint(); left > 0; left--) {
        varint()
        take(varint())
      }
    },
  }
}

const partitionBytes = 4 + 8 + 8 + 1

/** @returns undefined where the user may not see them. @throws Error for any other fault of the broker */
export function readLogFolders(answer: Buffer): Omit<LogFolder, 'broker'>[] | undefined {
  const { int16, int64, text, array, skip, tags } = createReader(answer)
  tags()
  skip(4) // throttle_time_ms
  const error = int16()
  if (error === clusterAuthorizationFailed) return undefined
  if (error !== noError) throw new Error(`the broker answered DescribeLogDirs with error ${error}`)
  return array(() => {
    const offline = int16() !== noError
    const folder = text()
    array(() => {
      text()
      array(() => {
        skip(partitionBytes)
        tags()
      })
      tags()
    })
    const [total_bytes, free_bytes] = [int64(), int64()]
    tags()
    // It says -1 of both where it cannot tell.
    return offline || total_bytes < 0
      ? { folder, offline }
      : { folder, offline, room: { free_bytes, total_bytes } }
  })
}

/** @returns undefined where the broker does not tell: it is too old, or the user may not see them */
export async function askLogFolders(broker: Broker): Promise<Omit<LogFolder, 'broker'>[] | undefined> {
  if ((broker.versions?.[apiKey]?.maxVersion ?? 0) < apiVersion) return undefined
  return broker.connectionPool.send({
    request: { apiKey, apiVersion, apiName: 'DescribeLogDirs', encode: async () => ({ buffer: body }) },
    response: { decode: async (answer) => answer, parse: async (answer) => readLogFolders(answer) },
  })
}
