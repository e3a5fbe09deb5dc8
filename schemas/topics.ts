/**
 * The catalogue of topics (spec 3-topics): name, key, payload, partitions, retention. The only place with
 * topic names. Who writes and who reads is declared by the workers and the gateway themselves.
 */
import { coffeechat } from '../proto/index.js'
import type { OutgoingRecord, TopicSettings } from './bus.js'
import type { MessageStoredJson, PresenceChangedJson, ReceiptChangedJson } from './business-events.js'
import { conversationOf, deviceKey } from './ids.js'
import { mergeChecks, mergeOutbound } from './merging.js'
import { packEvents, unpackEvents } from './packing.js'

import event = coffeechat.event

const hour_ms = 3_600_000
const day_ms = 24 * hour_ms

/** How an event becomes the bytes of a record and comes back. `decode` throws on bytes that are not one. */
interface Codec<E> {
  encode(event: E): Uint8Array
  decode(bytes: Uint8Array): E
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
  /** Whose delays: those of robots, of offline push, else those of the delivery checks. */
  readonly delays?: 'robot' | 'push'
  readonly maxMessageBytes?: number
  /** Read or written by businesses. */
  readonly external?: 'read' | 'written'
  /** Several events of one batch that go to the same place become one event. */
  readonly merge?: (events: readonly E[]) => E[]
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

interface ProtoMessage<E> {
  encode(event: E): { finish(): Uint8Array }
  decode(bytes: Uint8Array): E
}

const proto = <E>(message: ProtoMessage<E>): Codec<E> => ({
  encode: (event) => message.encode(event).finish(),
  decode: (bytes) => message.decode(bytes),
})

const json = <E>(): Codec<E> => ({
  encode: (event) => Buffer.from(JSON.stringify(event)),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')) as E,
})

const topic = <const Name extends string, E>(definition: Topic<Name, E>): Topic<Name, E> => definition

const deliveryCheck = <const Name extends string>(name: Name, delay: 0 | 1 | 2) =>
  topic<Name, event.IDeliveryCheck>({
    name,
    payload: 'DeliveryCheck',
    key: () => null,
    partitions: 4,
    retention_ms: 3 * day_ms,
    delay,
    merge: mergeChecks,
    purpose: 'has every device acked what one delivery batch sent?',
    ...proto(event.DeliveryCheck),
  })

const robotTopic = <const Name extends string>(name: Name, purpose: string, delay?: 0 | 1 | 2) =>
  topic<Name, event.IRobotRequested>({
    name,
    payload: 'RobotRequested',
    key: ({ ref }) => ref.conversation,
    partitions: 4,
    retention_ms: 3 * day_ms,
    ...(delay === undefined ? {} : { delay, delays: 'robot' as const }),
    purpose,
    ...proto(event.RobotRequested),
  })
const pushRetry = <const Name extends string>(name: Name, delay: 0 | 1 | 2) =>
  topic<Name, event.IPushRetry>({
    name,
    payload: 'PushRetry',
    key: ({ triggered: { reader_user_id, device } }) => `${reader_user_id}:${deviceKey(device)}`,
    partitions: 2,
    retention_ms: 3 * day_ms,
    delay,
    delays: 'push',
    purpose: 'a notification whose provider gave no answer, or asked for a pause',
    ...proto(event.PushRetry),
  })

const robotAgain = 'a message whose robot did not answer, to be asked again'

const answerBytes = 6 * 1024 * 1024

/** The conversation of the group that is changed; of what names no group, who asks. */
function groupRequestKey({ origin, arguments: given }: event.IGroupRequested): string {
  const { group_id } = JSON.parse(given) as { group_id?: number }
  return group_id === undefined ? String(origin.user_id) : conversationOf(origin.user_id, group_id)
}

/** The pair that is changed, so that its changes keep their order; of what names no peer, whose contacts. */
function contactRequestKey({ arguments: given }: event.IContactRequested): string {
  const { user_id, peer_id } = JSON.parse(given) as { user_id: number; peer_id?: number }
  return peer_id === undefined ? String(user_id) : conversationOf(user_id, peer_id)
}

export const topics = {
  messageSubmitted: topic<'message.submitted', event.IMessageSubmitted>({
    name: 'message.submitted',
    payload: 'MessageSubmitted',
    key: ({ message }) => conversationOf(message.from_user_id, message.to_session_id),
    partitions: 'busy',
    retention_ms: 7 * day_ms,
    purpose: 'a message from a client or an app server, not stored yet',
    ...proto(event.MessageSubmitted),
  }),
  messageStored: topic<'message.stored', MessageStoredJson>({
    name: 'message.stored',
    payload: 'MessageStoredJson',
    key: ({ conversation }) => conversation,
    partitions: 'busy',
    retention_ms: 7 * day_ms,
    external: 'read',
    purpose: 'every stored message, in order per conversation, for businesses',
    ...json<MessageStoredJson>(),
  }),
  fanoutRequested: topic<'fanout.requested', event.IFanoutRequested>({
    name: 'fanout.requested',
    payload: 'FanoutRequested',
    key: ({ ref }) => ref.conversation,
    partitions: 'busy',
    retention_ms: 3 * day_ms,
    purpose: 'a stored group message that its members are to have',
    ...proto(event.FanoutRequested),
  }),
  deliveryRequested: topic<'delivery.requested', event.IDeliveryRequested>({
    name: 'delivery.requested',
    payload: 'DeliveryRequested',
    key: () => null,
    packed: true,
    beside: true,
    partitions: 'busy',
    retention_ms: 3 * day_ms,
    purpose: 'a stored message and who is to get it',
    ...proto(event.DeliveryRequested),
  }),
  gateOutbound: topic<'gate.{}.outbound', event.IOutbound>({
    name: 'gate.{}.outbound',
    payload: 'Outbound',
    key: () => null,
    partitions: 1,
    retention_ms: hour_ms,
    maxMessageBytes: answerBytes,
    merge: mergeOutbound,
    purpose: 'packets for the sockets of one gate, each once with all its readers',
    ...proto(event.Outbound),
  }),
  deliveryAcked: topic<'delivery.acked', event.IDeliveryAcked>({
    name: 'delivery.acked',
    payload: 'DeliveryAcked',
    key: () => null,
    packed: true,
    lane: ({ login }) => login.user_id,
    partitions: 'busy',
    retention_ms: 3 * day_ms,
    purpose: 'a device said that it has a message',
    ...proto(event.DeliveryAcked),
  }),
  deliveryMissed: topic<'delivery.missed', event.IDeliveryMissed>({
    name: 'delivery.missed',
    payload: 'DeliveryMissed',
    key: ({ login }) => String(login.user_id),
    partitions: 2,
    retention_ms: day_ms,
    purpose: 'a gate got a message for a login that it does not hold',
    ...proto(event.DeliveryMissed),
  }),
  deliveryCheck5s: deliveryCheck('delivery.check.5s', 0),
  deliveryCheck15s: deliveryCheck('delivery.check.15s', 1),
  deliveryCheck60s: deliveryCheck('delivery.check.60s', 2),
  pushTriggered: topic<'push.triggered', event.IPushTriggered>({
    name: 'push.triggered',
    payload: 'PushTriggered',
    key: ({ reader_user_id, device }) => `${reader_user_id}:${deviceKey(device)}`,
    partitions: 2,
    retention_ms: 3 * day_ms,
    purpose: 'a device to be notified of a message through its vendor',
    ...proto(event.PushTriggered),
  }),
  robotRequested: robotTopic('robot.requested', 'a stored message that a robot is to be asked about'),
  robotRetry5s: robotTopic('robot.retry.5s', robotAgain, 0),
  robotRetry30s: robotTopic('robot.retry.30s', robotAgain, 1),
  robotRetry120s: robotTopic('robot.retry.120s', robotAgain, 2),
  pushRetry10s: pushRetry('push.retry.10s', 0),
  pushRetry60s: pushRetry('push.retry.60s', 1),
  pushRetry600s: pushRetry('push.retry.600s', 2),
  presenceChanged: topic<'presence.changed', PresenceChangedJson>({
    name: 'presence.changed',
    payload: 'PresenceChangedJson',
    key: ({ user_id }) => user_id,
    partitions: 2,
    retention_ms: 7 * day_ms,
    external: 'read',
    purpose: 'a device went online, offline, was kicked or logged out, for businesses',
    ...json<PresenceChangedJson>(),
  }),
  receiptChanged: topic<'receipt.changed', ReceiptChangedJson>({
    name: 'receipt.changed',
    payload: 'ReceiptChangedJson',
    key: ({ conversation }) => conversation,
    partitions: 2,
    retention_ms: 7 * day_ms,
    external: 'read',
    purpose: 'a message was read, for businesses',
    ...json<ReceiptChangedJson>(),
  }),
  requestLogin: topic<'request.login', event.ILoginRequested>({
    name: 'request.login',
    payload: 'LoginRequested',
    key: ({ origin }) => String(origin.user_id),
    partitions: 'busy',
    retention_ms: day_ms,
    maxMessageBytes: answerBytes,
    purpose: 'logins and logouts; the offset is the login number',
    ...proto(event.LoginRequested),
  }),
  requestQuery: topic<'request.query', event.IQueryRequested>({
    name: 'request.query',
    payload: 'QueryRequested',
    key: ({ origin }) => String(origin.user_id),
    partitions: 'busy',
    retention_ms: day_ms,
    maxMessageBytes: answerBytes,
    purpose: 'sessions, history, latest id, messages by id, receipts, sync',
    ...proto(event.QueryRequested),
  }),
  requestRead: topic<'request.read', event.IReadRequested>({
    name: 'request.read',
    payload: 'ReadRequested',
    key: ({ read }) => conversationOf(read.user_id, read.session_id),
    partitions: 'busy',
    retention_ms: day_ms,
    maxMessageBytes: answerBytes,
    purpose: 'a user has read a conversation up to a message',
    ...proto(event.ReadRequested),
  }),
  requestSession: topic<'request.session', event.ISessionRequested>({
    name: 'request.session',
    payload: 'SessionRequested',
    key: ({ update }) => String(update.user_id),
    partitions: 'busy',
    retention_ms: day_ms,
    maxMessageBytes: answerBytes,
    purpose: 'a user pins, mutes, deletes or annotates one of their sessions',
    ...proto(event.SessionRequested),
  }),
  requestUser: topic<'request.user', event.IUserRequested>({
    name: 'request.user',
    payload: 'UserRequested',
    key: ({ origin }) => String(origin.user_id),
    partitions: 2,
    retention_ms: day_ms,
    maxMessageBytes: answerBytes,
    purpose: "an app server's call about users",
    ...proto(event.UserRequested),
  }),
  requestFile: topic<'request.file', event.IFileRequested>({
    name: 'request.file',
    payload: 'FileRequested',
    key: () => null,
    partitions: 2,
    retention_ms: day_ms,
    maxMessageBytes: answerBytes,
    purpose: 'a call about files: who uploaded one, who may see one',
    ...proto(event.FileRequested),
  }),
  requestGroup: topic<'request.group', event.IGroupRequested>({
    name: 'request.group',
    payload: 'GroupRequested',
    key: groupRequestKey,
    partitions: 'busy',
    retention_ms: day_ms,
    maxMessageBytes: answerBytes,
    purpose: 'a command or question about groups',
    ...proto(event.GroupRequested),
  }),
  requestContact: topic<'request.contact', event.IContactRequested>({
    name: 'request.contact',
    payload: 'ContactRequested',
    key: contactRequestKey,
    partitions: 'busy',
    retention_ms: day_ms,
    maxMessageBytes: answerBytes,
    purpose: 'a command or question about friends and blocklists',
    ...proto(event.ContactRequested),
  }),
} as const

/** Where a record that a consumer group could not use is kept, with the reason in its headers. */
export const deadLetterName = (topicName: string, group: string): string => `${topicName}.${group}.dlq`

/** The full name on the brokers. */
export const fullName = (prefix: string, each: AnyTopic, instance = ''): string =>
  prefix + each.name.replace('{}', instance)

const deadLetterRetention_ms = 30 * day_ms

/**
 * Broker settings of one topic. Records that fall due later, and login numbers, go by the broker's clock.
 * @param busyPartitions partitions of the topics that carry every message
 */
export function topicSettings(
  each: AnyTopic,
  prefix: string,
  busyPartitions: number,
  instance = '',
): TopicSettings {
  return {
    name: fullName(prefix, each, instance),
    partitions: each.partitions === 'busy' ? busyPartitions : each.partitions,
    config: {
      'cleanup.policy': 'delete',
      'retention.ms': String(each.retention_ms),
      'message.timestamp.type': 'LogAppendTime',
      ...(each.maxMessageBytes === undefined ? {} : { 'max.message.bytes': String(each.maxMessageBytes) }),
    },
  }
}

/** Broker settings of a dead-letter topic. */
export const deadLetterSettings = (each: AnyTopic, group: string, prefix: string): TopicSettings => ({
  name: deadLetterName(fullName(prefix, each), group),
  partitions: 1,
  config: {
    'cleanup.policy': 'delete',
    'retention.ms': String(deadLetterRetention_ms),
    'max.message.bytes': String(answerBytes),
  },
})

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * The record that carries an event to its topic.
 * @param beside the partition of the event that this one follows from
 */
export const recordOf = <T extends AnyTopic>(
  prefix: string,
  each: T,
  event: EventOf<T>,
  instance?: string,
  beside?: number,
): OutgoingRecord => {
  const bytes = asBuffer(each.encode(event))
  const value = each.packed === undefined ? bytes : packEvents([bytes])
  const partition = each.beside ? beside : each.lane?.(event)
  const record = { topic: fullName(prefix, each, instance), key: each.key(event), value }
  return partition === undefined ? record : { ...record, partition }
}

/**
 * The bytes of each event in a record of this topic.
 * @throws RangeError where a packed record is cut
 */
export const eventsIn = (each: AnyTopic, value: Buffer): Buffer[] =>
  each.packed === undefined ? [value] : unpackEvents(value)
