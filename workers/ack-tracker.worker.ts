/**
 * Devices' acks wait in a Redis hash; a cron job makes them rows, and only then are offsets committed. Businesses are
 * told of first deliveries before those are written: a crash in between tells them again, and none is left out.
 */
import type { coffeechat } from '../proto/index.js'
import { deviceKey, parseDeviceKey } from '../schemas/ids.js'
import { topics } from '../schemas/topics.js'
import { defineWorker, emit, save } from './kit/worker.js'
import type { AckStore, FirstDelivery } from './ports/messages.js'
import type { PendingAck, PendingAcks } from './ports/presence.js'

interface Ports {
  readonly pending: PendingAcks
  readonly acks: AckStore
}

type TimedAck = PendingAck & { readonly time: number; readonly login_number: number }

export const ackTracker = defineWorker({
  name: 'ack-tracker',
  consumes: topics.deliveryAcked,
  produces: [topics.receiptChanged],

  decide: (acked) => [save(pendingAck(acked))],

  async save(rows: readonly TimedAck[], { pending }: Ports, places): Promise<readonly undefined[]> {
    // A batch is of one partition.
    const [first] = places
    if (first !== undefined) await pending.add(first.partition, rows)
    return []
  },

  checkpoint: {
    begin: (partitions, { pending }) => pending.claim(partitions),
    progress: (partitions, time, { pending }) => pending.progressed(partitions, time),
    async flush(partitions, { pending, acks }, publish) {
      for (const partition of partitions) {
        const waiting = await pending.read(partition)
        if (waiting === undefined) return false
        if (waiting.length > 0) await acks.flush(waiting, (first) => publish(first.map(delivered)))
        await pending.drop(partition, waiting)
      }
      return true
    },
  },
})

const delivered = ({ conversation, reader_user_id, server_msg_id, device, time }: FirstDelivery) =>
  emit(topics.receiptChanged, {
    conversation,
    reader_user_id: String(reader_user_id),
    server_msg_id: String(server_msg_id),
    state: 'delivered',
    client_type: parseDeviceKey(device).client_type,
    time,
  })

const pendingAck = ({ login, from_user_id, msg_id, time }: coffeechat.event.IDeliveryAcked): TimedAck => ({
  reader_user_id: login.user_id,
  device: deviceKey(login.device),
  from_user_id,
  msg_id,
  time,
  login_number: login.login_number,
})
