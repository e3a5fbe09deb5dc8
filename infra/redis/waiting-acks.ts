/** Receipts that count acks before their flush: who has received a message is answered exactly, not as of some seconds ago. */
import { type DeviceName, deviceKey } from '../../schemas/ids.js'
import type { AckLookup } from '../../workers/ports/presence.js'
import type { MessageReceipts, Receipts } from '../../workers/ports/receipts.js'

/** Every device that ever logged in: only these ack. */
interface KnownDevices {
  of(userIds: readonly number[]): Promise<ReadonlyMap<number, readonly DeviceName[]>>
}

/**
 * @param receipts as far as PostgreSQL has them; read first, since what is flushed meanwhile stays in Redis for a while
 */
export const withWaitingAcks = (receipts: Receipts, devices: KnownDevices, pending: AckLookup): Receipts => ({
  async of(asked) {
    const answers = await receipts.of(asked)
    const readers = new Set(answers.flatMap((answer) => answer?.waiting ?? []))
    if (readers.size === 0) return answers
    const known = await devices.of([...readers])
    const acks = answers.flatMap((answer, at) =>
      (answer?.waiting ?? []).flatMap((reader_user_id) =>
        (known.get(reader_user_id) ?? []).map((device) => ({
          question: at,
          reader_user_id,
          device: deviceKey(device),
          from_user_id: asked[at]!.user_id,
          msg_id: asked[at]!.msg_id,
        })),
      ),
    )
    const { acked } = await pending.find(acks)
    const have = answers.map(() => new Set<number>())
    for (const [at, { question, reader_user_id }] of acks.entries())
      if (acked[at]) have[question]?.add(reader_user_id)
    return answers.map((answer, at) => answer && received(answer, have[at]!))
  },
})

const received = (answer: MessageReceipts, readers: ReadonlySet<number>): MessageReceipts => ({
  ...answer,
  received: [...answer.received, ...readers].sort((a, b) => a - b),
  waiting: answer.waiting.filter((reader) => !readers.has(reader)),
})
