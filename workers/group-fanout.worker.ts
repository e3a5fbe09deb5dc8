/** A stored group message becomes a row of each member; only then is it to be delivered (spec 2, "Group chat" 3). */
import type { coffeechat } from '../proto/index.js'
import { topics } from '../schemas/topics.js'
import { defineWorker, emit, save } from './kit/worker.js'
import type { GroupFanout } from './ports/messages.js'

type Requested = coffeechat.event.IFanoutRequested

/** Messages whose rows are written together. */
const messagesAtOnce = 20
const readersPerDelivery = 500

export const groupFanout = defineWorker({
  name: 'group-fanout',
  consumes: topics.fanoutRequested,
  eventsAtOnce: messagesAtOnce,
  produces: [topics.deliveryRequested],

  decide: (requested) => [save(requested)],

  save: (rows: readonly Requested[], { fanout }: { fanout: GroupFanout }) =>
    fanout.fanOut(rows.map(({ ref }) => ({ group_id: ref.to_session_id, server_msg_id: ref.server_msg_id }))),

  // A repeat emits all that a first one does: the first worker may have died between COMMIT and publishing.
  saved: (requested: Requested, readers: readonly number[]) =>
    chunks(readers).map((reader_user_id, at) =>
      emit(topics.deliveryRequested, {
        ...requested,
        reader_user_id,
        ...(at === 0 ? {} : { readers_only: true }),
      }),
    ),
})

/** At least one, though it be empty: the sender's other devices are to get the message all the same. */
function chunks(readers: readonly number[]): number[][] {
  const parts: number[][] = []
  for (let at = 0; at === 0 || at < readers.length; at += readersPerDelivery)
    parts.push(readers.slice(at, at + readersPerDelivery))
  return parts
}
