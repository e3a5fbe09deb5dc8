/** A user has read a conversation up to a message: the user's other devices learn it, and the peer of a single chat (spec 2, "Read and unread"). */
import { CIM, coffeechat } from '../proto/index.js'
import { conversationOf, isGroupId, isUserId } from '../schemas/ids.js'
import { commands } from '../schemas/packets.js'
import { topics } from '../schemas/topics.js'
import { errorNotify } from './kit/answers.js'
import { notify } from './kit/notify.js'
import { defineWorker, type EmitOf, emit, save } from './kit/worker.js'
import type { Presence, PresentDevice } from './ports/presence.js'
import type { Read, ReadMark, ReadMarks } from './ports/reads.js'

import event = coffeechat.event

const { CIMErrorCode, CIMSessionType } = CIM.Def

export interface ReadPorts {
  readonly reads: ReadMarks
  readonly presence: Presence
}

/** A read on its way into the tables, with whom to tell. */
interface MarkedRead extends Read {
  readonly request: event.IReadRequested
  readonly readerDevices: readonly PresentDevice[]
  readonly peerDevices: readonly PresentDevice[]
}

export const readMarker = defineWorker({
  name: 'read-marker',
  consumes: topics.requestRead,
  produces: [topics.gateOutbound, topics.receiptChanged],

  load: (requests, { presence }: ReadPorts) =>
    presence.of([
      ...new Set(requests.flatMap(({ read }) => [read.user_id, read.session_id]).filter(isUserId)),
    ]),

  decide(request, present: ReadonlyMap<number, readonly PresentDevice[]>) {
    const { user_id, session_id, session_type } = request.read
    const isGroup = isGroupId(session_id)
    if (
      (!isGroup && !isUserId(session_id)) ||
      isGroup !== (session_type === CIMSessionType.kCIM_SESSION_TYPE_GROUP)
    )
      return [
        errorNotify(
          request.origin,
          commands.MSG_READ_ACK,
          CIMErrorCode.kCIM_ERR_BAD_REQUEST,
          'session_type disagrees with session_id',
        ),
      ]
    return [save(markedRead(request, present.get(user_id) ?? [], present.get(session_id) ?? []))]
  },

  save: (rows: readonly MarkedRead[], { reads }: ReadPorts) => reads.mark(rows),

  // A repeat tells it again: the first worker may have died between COMMIT and publishing.
  saved: (row: MarkedRead, mark: ReadMark) =>
    mark.changed ? [...tellPeer(row, mark), ...tellSiblings(row, mark), receipt(row, mark)] : [],
})

const markedRead = (
  request: event.IReadRequested,
  readerDevices: readonly PresentDevice[],
  peerDevices: readonly PresentDevice[],
): MarkedRead => ({
  request,
  readerDevices,
  peerDevices,
  user_id: request.read.user_id,
  peer_id: request.read.session_id,
  msg_id: request.read.msg_id,
  server_msg_id: request.read.server_msg_id ?? 0,
  time: request.time,
})

/** The session as each receiver lists it: the peer's is with the reader, the reader's own is with the peer. */
const readNotify = (row: MarkedRead, mark: ReadMark, session_id: number, devices: readonly PresentDevice[]) =>
  notify(devices, commands.MSG_READ_NOTIFY, {
    user_id: row.user_id,
    session_id,
    msg_id: mark.msg_id || row.msg_id,
    session_type: isGroupId(row.peer_id)
      ? CIMSessionType.kCIM_SESSION_TYPE_GROUP
      : CIMSessionType.kCIM_SESSION_TYPE_SINGLE,
    server_msg_id: mark.server_msg_id,
  })

/** A group is told nothing: its members ask who has read. */
const tellPeer = (row: MarkedRead, mark: ReadMark) =>
  isGroupId(row.peer_id) || row.peer_id === row.user_id
    ? []
    : readNotify(row, mark, row.user_id, row.peerDevices)

const tellSiblings = (row: MarkedRead, mark: ReadMark) =>
  readNotify(
    row,
    mark,
    row.peer_id,
    row.readerDevices.filter((device) => !isOrigin(device, row.request.origin)),
  )

const isOrigin = (device: PresentDevice, origin: event.IOrigin): boolean =>
  device.gate_id === origin.gate_id &&
  device.gate_epoch === origin.gate_epoch &&
  device.connection_id === origin.connection_id

const receipt = (row: MarkedRead, mark: ReadMark): EmitOf<typeof topics.receiptChanged> =>
  emit(topics.receiptChanged, {
    conversation: conversationOf(row.user_id, row.peer_id),
    reader_user_id: String(row.user_id),
    server_msg_id: String(mark.server_msg_id),
    state: 'read',
    client_type: row.request.origin.device.client_type,
    time: row.time,
  })
