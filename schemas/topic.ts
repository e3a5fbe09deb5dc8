/** What a topic is; the catalogue of all of them is topics.ts. */
import type { z } from 'zod'
import { readingWhole } from '../proto/index.js'

/** How an event becomes the bytes of a record and comes back. `decode` throws on bytes that are not one. */
interface Codec<E> {
  encode(event: E): Uint8Array
  decode(bytes: Uint8Array, headers?: Readonly<Record<string, string>>): E
  /** Of the record that carries this event. */
  headers?(event: E): Readonly<Record<string, string>> | undefined
  /** Instead of `encode`, where that is what readers want (TOPICS_IN_PROTOBUF); the record's content-type says so. */
  encodeProtobuf?(event: E): Uint8Array
}

/** A topic as businesses see it. */
export interface Contract {
  /** The record's value in JSON. */
  readonly schema: z.ZodType
  /** What the record's key is. */
  readonly key: string
  readonly example: object
}

export interface Topic<Name extends string = string, E = unknown> extends Codec<E> {
  /** Without prefix; `{}` stands for the instance (a gate's id). */
  readonly name: Name
  /** The record's key: order holds among events with the same one. null spreads. */
  readonly key: (event: E) => string | null
  readonly payload: string
  readonly retention_ms: number
  readonly partitions: 'busy' | number
  /** Falls due this long after its append; the broker stamps the time. */
  readonly delay?: 0 | 1 | 2
  /** Whose delays: those of robots, of offline push, of webhooks, else those of the delivery checks. */
  readonly delays?: 'robot' | 'push' | 'webhook'
  readonly maxMessageBytes?: number
  /** Read or written by businesses; and what they are told of it. */
  readonly external?: 'read' | 'written'
  readonly contract?: Contract
  /** Several events of one batch that go to the same place become one event. */
  readonly merge?: (events: readonly E[]) => E[]
  /** What of a merged event belongs to one message each, and to its trace. */
  readonly parts?: (event: E) => readonly object[]
  /** One record holds many events of one partition, since a record costs more than what is in it (see packEvents). */
  readonly packed?: true
  /**
   * Instead of by key: in the partition with the number of the one that the worker's own event came from, so that
   * what was in order there stays so.
   */
  readonly beside?: true
  /** Instead of by key: in the partition of this number, modulo their count. */
  readonly lane?: (event: E) => number
  readonly purpose: string
}

// biome-ignore lint/suspicious/noExplicitAny: a topic of whatever payload
export type AnyTopic = Topic<string, any>
/** The payload of a topic; `any` of any topic. */
// biome-ignore lint/suspicious/noExplicitAny: of AnyTopic the payload is anything
export type EventOf<T> = 0 extends 1 & T ? any : T extends Topic<string, infer E> ? E : never

export interface ProtoMessage<E> {
  encode(event: E): { finish(): Uint8Array }
  decode(bytes: Uint8Array | ReturnType<typeof readingWhole>): E
}

/** Payloads in protobuf. */
export const proto = <E>(message: ProtoMessage<E>): Codec<E> => ({
  encode: (event) => message.encode(event).finish(),
  decode: (bytes) => message.decode(readingWhole(bytes)),
})

/** Payloads in JSON. */
export const json = <E>(): Codec<E> => ({
  encode: (event) => Buffer.from(JSON.stringify(event)),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')) as E,
})

/** A topic of the catalogue. */
export const topic = <const Name extends string, E>(definition: Topic<Name, E>): Topic<Name, E> => definition
