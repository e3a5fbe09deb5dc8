/** A submitted message is numbered and stored; its sender is acked after COMMIT, never before (I1). */
import { CIM, coffeechat } from '../proto/index.js'
import { filesNamedIn } from '../schemas/files.js'
import { conversationOf, isGroupId } from '../schemas/ids.js'
import { commands } from '../schemas/packets.js'
import { topics } from '../schemas/topics.js'
import type { Trace } from '../schemas/tracing.js'
import { answer } from './kit/answers.js'
import { type ApprovalPorts, type Approved, approve } from './kit/approval.js'
import { messageBody } from './kit/deliveries.js'
import { defineWorker, type EmitOf, emit, save } from './kit/worker.js'
import type { FileMention, FileMentions } from './ports/files.js'
import type { MessageForReader, MessageStore, NewMessage, StoredMessage } from './ports/messages.js'
import type { RobotDirectory } from './ports/robots.js'
import type { NickNames } from './ports/users.js'

import event = coffeechat.event

const { kCIM_MSG_TYPE_NOTIFICATION, kCIM_MSG_TYPE_Robot } = CIM.Def.CIMMsgType
const { kCIM_SESSION_TYPE_GROUP, kCIM_SESSION_TYPE_SINGLE } = CIM.Def.CIMSessionType

/** A message on its way into the tables, with what is needed to answer for it. */
interface Submission extends NewMessage {
  readonly submitted: event.IMessageSubmitted
  readonly session_type: CIM.Def.CIMSessionType
  /** Only with SEND_NICK_NAME. */
  readonly from_nick_name: string | undefined
}

interface Ports extends ApprovalPorts {
  readonly store: MessageStore
  readonly nickNames: NickNames
  readonly robots: RobotDirectory
  readonly fileMentions: FileMentions
}

interface Loaded {
  readonly nickNames: ReadonlyMap<number, string>
  /** Where a webhook is asked before messages are stored. */
  readonly approved?: ReadonlyMap<event.IMessageSubmitted, Approved>
}

interface Stored extends StoredMessage {
  /** The receiver is a robot, to be asked. */
  readonly asks: boolean
}

export const messageStore = defineWorker({
  name: 'message-store',
  consumes: topics.messageSubmitted,
  produces: [
    topics.gateOutbound,
    topics.deliveryRequested,
    topics.fanoutRequested,
    topics.messageStored,
    topics.robotRequested,
  ],

  async load(submitted, { nickNames, messages, beforeSend }: Ports, places): Promise<Loaded> {
    const names = await nickNames.of(submitted.map(({ message }) => message.from_user_id))
    if (beforeSend === undefined) return { nickNames: names }
    const drafts = submitted.map((each, at) => draftOf(each, places[at]?.trace))
    const approved = await approve(drafts, messages, beforeSend)
    return { nickNames: names, approved: new Map(submitted.map((each, at) => [each, approved[at]!])) }
  },

  decide(submitted, { nickNames, approved }) {
    const row = submissionOf(submitted, nickNames.get(submitted.message.from_user_id))
    const approval = approved?.get(submitted)
    if (approval === undefined) return [save(row)]
    return 'refused' in approval
      ? ackIfAwaited(row, refusal(approval.refused))
      : [save({ ...row, ...approval })]
  },

  async save(rows: readonly Submission[], { store, robots, fileMentions }: Ports): Promise<Stored[]> {
    const receivers = rows.filter(mayAsk).map(({ to_session_id }) => to_session_id)
    const [stored, known] = await Promise.all([store.store(rows), robots.among(receivers)])
    // Before anybody hears of the message; what dies in between comes again.
    const mentions = rows.flatMap((row, at) => mentionsIn(row, stored[at]!))
    if (mentions.length > 0) await fileMentions.record(mentions)
    return stored.map((each, at) => {
      const row = rows[at]!
      return { ...each, asks: each.res_code === 0 && mayAsk(row) && known.has(row.to_session_id) }
    })
  },

  // A repeat emits all that a first one does, with the first number: the first worker may have died between
  // COMMIT and publishing (spec 2, single chat 2).
  saved: (row: Submission, stored: Stored) => [
    ...ackIfAwaited(row, stored),
    ...(stored.res_code === 0 ? [passOn(row, stored), report(row, stored)] : []),
    ...(stored.asks ? [askRobot(row, stored)] : []),
  ],
})

/** What robots and the server itself say is put to no robot, so that two of them do not talk for ever. */
const mayAsk = ({ session_type, msg_type, from_user_id, to_session_id }: Submission): boolean =>
  session_type === kCIM_SESSION_TYPE_SINGLE &&
  from_user_id !== to_session_id &&
  msg_type !== kCIM_MSG_TYPE_Robot &&
  msg_type !== kCIM_MSG_TYPE_NOTIFICATION

function submissionOf(submitted: event.IMessageSubmitted, from_nick_name: string | undefined): Submission {
  const { origin, message } = submitted
  return {
    submitted,
    from_nick_name,
    from_user_id: message.from_user_id,
    session_type: isGroupId(message.to_session_id) ? kCIM_SESSION_TYPE_GROUP : kCIM_SESSION_TYPE_SINGLE,
    to_session_id: message.to_session_id,
    msg_id: message.msg_id,
    conversation: conversationOf(message.from_user_id, message.to_session_id),
    msg_type: message.msg_type,
    msg_data: message.msg_data,
    attach: message.attach || null,
    mention: message.mention_user_id ?? [],
    msg_seq: origin.seq_num,
    client_type: origin.device.client_type,
  }
}

/** The files that a stored message names. */
const mentionsIn = (
  { msg_data, from_user_id, to_session_id }: Submission,
  { res_code, server_msg_id }: StoredMessage,
): FileMention[] =>
  res_code === 0
    ? filesNamedIn(msg_data).map((file_id) => ({ file_id, from_user_id, to_session_id, server_msg_id }))
    : []

const draftOf = (submitted: event.IMessageSubmitted, trace: Trace | undefined) => ({
  ...submissionOf(submitted, undefined),
  time: submitted.received_time,
  trace,
})

const refusal = (res_code: number): StoredMessage => ({
  res_code,
  server_msg_id: 0,
  stored_time: 0,
  repeated: false,
})

/** A robot waits for no ack. */
const ackIfAwaited = (row: Submission, stored: StoredMessage) =>
  row.submitted.origin.gate_id === '' ? [] : [ack(row, stored)]

const ack = (row: Submission, stored: StoredMessage) =>
  answer(
    row.submitted.origin,
    commands.MSG_DATA_ACK,
    {
      from_user_id: row.from_user_id,
      to_session_id: row.to_session_id,
      msg_id: row.msg_id,
      res_code: stored.res_code,
      session_type: row.session_type,
      ...(stored.res_code === 0
        ? { create_time: stored.stored_time, server_msg_id: stored.server_msg_id }
        : {}),
    },
    { repeated: stored.repeated },
  )

/** Field by field: copies of whole objects were a thirtieth of what a busy process computes. */
const asStored = (row: Submission, { server_msg_id, stored_time }: StoredMessage): MessageForReader => ({
  from_user_id: row.from_user_id,
  to_session_id: row.to_session_id,
  msg_id: row.msg_id,
  server_msg_id,
  stored_time,
  msg_type: row.msg_type,
  msg_data: row.msg_data,
  attach: row.attach,
  mention: row.mention,
})

/** To the one reader, or to be fanned out to the members. */
function passOn(
  row: Submission,
  stored: StoredMessage,
): EmitOf<typeof topics.deliveryRequested | typeof topics.fanoutRequested> {
  const { from_user_id, to_session_id, session_type } = row
  const request: event.IFanoutRequested = {
    ref: refOf(row, stored),
    body: messageBody(session_type, asStored(row, stored), row.from_nick_name),
    origin: row.submitted.origin,
    stored_time: stored.stored_time,
    msg_type: row.msg_type,
  }
  if (session_type === kCIM_SESSION_TYPE_GROUP) return emit(topics.fanoutRequested, request)
  const reader_user_id = to_session_id === from_user_id ? [] : [to_session_id]
  return emit(topics.deliveryRequested, { ...request, reader_user_id })
}

const refOf = (row: Submission, { server_msg_id }: StoredMessage): event.IMessageRef => ({
  from_user_id: row.from_user_id,
  to_session_id: row.to_session_id,
  msg_id: row.msg_id,
  session_type: row.session_type,
  conversation: row.conversation,
  server_msg_id,
})

const askRobot = (row: Submission, stored: StoredMessage): EmitOf<typeof topics.robotRequested> =>
  emit(topics.robotRequested, {
    ref: refOf(row, stored),
    msg_type: row.msg_type,
    msg_data: row.msg_data,
    stored_time: stored.stored_time,
  })

const report = (row: Submission, stored: StoredMessage): EmitOf<typeof topics.messageStored> =>
  emit(topics.messageStored, {
    conversation: row.conversation,
    session_type: row.session_type,
    from_user_id: String(row.from_user_id),
    to_session_id: String(row.to_session_id),
    msg_id: row.msg_id,
    server_msg_id: String(stored.server_msg_id),
    msg_type: row.msg_type,
    create_time: stored.stored_time,
    data: Buffer.from(row.msg_data.buffer, row.msg_data.byteOffset, row.msg_data.byteLength).toString(
      'base64',
    ),
  })
