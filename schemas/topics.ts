/**
 * The catalogue of topics (spec 3-topics): name, key, payload, partitions, retention. With request-topics.ts the
 * only place with topic names. Who writes and who reads is declared by the workers and the gateway themselves.
 */
import { coffeechat } from '../proto/index.js'
import { inBothForms } from './business-codec.js'
import {
  type ContactChangedJson,
  type MessageStoredJson,
  type PresenceChangedJson,
  type PushRequested,
  type PushResultJson,
  pushRequestedCodec,
  type ReceiptChangedJson,
  type ReportSubmittedJson,
} from './business-events.js'
import { contracts } from './contracts.js'
import { conversationOf, deviceKey } from './ids.js'
import { mergeChecks, mergeOutbound } from './merging.js'
import { answerBytes } from './records.js'
import { requestTopics } from './request-topics.js'
import { proto, topic } from './topic.js'

export * from './records.js'
export type { AnyTopic, EventOf, Topic } from './topic.js'

import business = coffeechat.business
import event = coffeechat.event

const hour_ms = 3_600_000
const day_ms = 24 * hour_ms

const deliveryCheck = <const Name extends string>(name: Name, delay: 0 | 1 | 2) =>
  topic<Name, event.IDeliveryCheck>({
    name,
    payload: 'DeliveryCheck',
    key: () => null,
    partitions: 4,
    retention_ms: 3 * day_ms,
    delay,
    merge: mergeChecks,
    parts: ({ entry }) => entry ?? [],
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

const webhookRetry = <const Name extends string>(name: Name, delay: 0 | 1 | 2) =>
  topic<Name, event.IWebhookRetry>({
    name,
    payload: 'WebhookRetry',
    key: ({ lane }) => lane,
    partitions: 4,
    retention_ms: 7 * day_ms,
    delay,
    delays: 'webhook',
    purpose: "an event that the business's webhook has not taken, or that waits for one before it",
    ...proto(event.WebhookRetry),
  })

const robotAgain = 'a message whose robot did not answer, to be asked again'

/** Who of a push's receivers has not acked by then. */
const pushCheck = <const Name extends string>(name: Name, delay: 0 | 1) =>
  topic<Name, event.IPushCheck>({
    name,
    payload: 'PushCheck',
    key: ({ push_id }) => push_id,
    partitions: 2,
    retention_ms: 3 * day_ms,
    delay,
    purpose: 'has every receiver acked what one push sent?',
    ...proto(event.PushCheck),
  })

const pushChunk = <const Name extends string>(name: Name, purpose: string) =>
  topic<Name, event.IPushChunk>({
    name,
    payload: 'PushChunk',
    key: () => null,
    partitions: 'busy',
    retention_ms: 3 * day_ms,
    purpose,
    ...proto(event.PushChunk),
  })

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
    contract: contracts.messageStored,
    purpose: 'every stored message, in order per conversation, for businesses',
    ...inBothForms<MessageStoredJson>(business.MessageStored, {
      ids: ['from_user_id', 'to_session_id', 'server_msg_id'],
      bytes: ['data'],
    }),
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
    parts: ({ packet }) => packet ?? [],
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
    contract: contracts.presenceChanged,
    purpose: 'a device went online, offline, was kicked or logged out, for businesses',
    ...inBothForms<PresenceChangedJson>(business.PresenceChanged, { ids: ['user_id'] }),
  }),
  receiptChanged: topic<'receipt.changed', ReceiptChangedJson>({
    name: 'receipt.changed',
    payload: 'ReceiptChangedJson',
    key: ({ conversation }) => conversation,
    partitions: 2,
    retention_ms: 7 * day_ms,
    external: 'read',
    contract: contracts.receiptChanged,
    purpose: 'a message was delivered to a first device, or read, for businesses',
    ...inBothForms<ReceiptChangedJson>(business.ReceiptChanged, { ids: ['reader_user_id', 'server_msg_id'] }),
  }),
  pushRequested: topic<'push.requested', PushRequested>({
    name: 'push.requested',
    payload: 'PushRequestedJson',
    key: (event) => (event.kind === 'request' ? event.request.push_id : event.push_id),
    partitions: 2,
    retention_ms: 7 * day_ms,
    maxMessageBytes: answerBytes,
    external: 'written',
    contract: contracts.pushRequested,
    purpose: 'a business has something for the devices of users, of a group, or of everyone online',
    ...pushRequestedCodec,
  }),
  pushFanout: pushChunk('push.fanout', 'receivers that a push names'),
  pushBroadcast: pushChunk(
    'push.broadcast',
    'receivers of a push to everyone online, which gates write by themselves',
  ),
  pushReached: topic<'push.reached', event.IPushReached>({
    name: 'push.reached',
    payload: 'PushReached',
    key: () => null,
    packed: true,
    lane: ({ login }) => login.user_id,
    partitions: 'busy',
    retention_ms: 3 * day_ms,
    purpose: 'a push was written to a device, or acked by it',
    ...proto(event.PushReached),
  }),
  pushCheck5s: pushCheck('push.check.5s', 0),
  pushCheck15s: pushCheck('push.check.15s', 1),
  pushResult: topic<'push.result', PushResultJson>({
    name: 'push.result',
    payload: 'PushResultJson',
    key: ({ push_id }) => push_id,
    partitions: 2,
    retention_ms: 7 * day_ms,
    external: 'read',
    contract: contracts.pushResult,
    purpose: 'what became of a push, one per user and outcome, for businesses',
    ...inBothForms<PushResultJson>(business.PushResult, { ids: ['user_id'] }),
  }),
  reportSubmitted: topic<'report.submitted', ReportSubmittedJson>({
    name: 'report.submitted',
    payload: 'ReportSubmittedJson',
    key: ({ user_id }) => user_id,
    partitions: 'busy',
    retention_ms: 7 * day_ms,
    external: 'read',
    contract: contracts.reportSubmitted,
    purpose: 'what a client reports to the business, in order per user',
    ...inBothForms<ReportSubmittedJson>(business.ReportSubmitted, { ids: ['user_id'], bytes: ['payload'] }),
  }),
  contactChanged: topic<'contact.changed', ContactChangedJson>({
    name: 'contact.changed',
    payload: 'ContactChangedJson',
    key: ({ user_id }) => user_id,
    partitions: 2,
    retention_ms: 7 * day_ms,
    external: 'read',
    contract: contracts.contactChanged,
    purpose: "a row of a user's contacts was changed: friendship, request, remark or block, for businesses",
    ...inBothForms<ContactChangedJson>(business.ContactChanged, { ids: ['user_id', 'peer_id'] }),
  }),
  webhookRetry10s: webhookRetry('webhook.retry.10s', 0),
  webhookRetry60s: webhookRetry('webhook.retry.60s', 1),
  webhookRetry600s: webhookRetry('webhook.retry.600s', 2),
  ...requestTopics,
} as const
