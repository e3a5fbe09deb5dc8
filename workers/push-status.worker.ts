/** An app server asks what became of a push (spec 4, `GET /v1/pushes/{push_id}`). */
import { topics } from '../schemas/topics.js'
import { httpAnswer } from './kit/answers.js'
import { defineWorker } from './kit/worker.js'
import type { PushStatuses } from './ports/pushes.js'

type Status = NonNullable<Awaited<ReturnType<PushStatuses['of']>>>

const timeOf = (name: 'sent_time' | 'acked_time', time: number | null) =>
  time === null ? {} : { [name]: time }

/** Ids as decimal strings, and a cursor where the page is full. */
const answerOf = ({ push, receivers }: Status, limit: number) => ({
  push_id: push.push_id,
  push_type: push.push_type,
  offline: push.offline,
  create_time: push.created,
  expire_time: push.expires,
  receivers: receivers.map(({ user_id, state, reason, sent_at, acked_at }) => ({
    user_id: String(user_id),
    state,
    ...(reason === null ? {} : { reason }),
    ...timeOf('sent_time', sent_at),
    ...timeOf('acked_time', acked_at),
  })),
  ...(receivers.length === limit ? { cursor: String(receivers.at(-1)?.user_id) } : {}),
})

export const pushStatus = defineWorker({
  name: 'push-status',
  consumes: topics.requestPush,
  produces: [topics.gateOutbound],

  load: (asked, { pushStatuses }: { pushStatuses: PushStatuses }) =>
    Promise.all(
      asked.map(async (each) => [each, await pushStatuses.of(each.push_id, each.after, each.limit)] as const),
    ).then((found) => new Map(found)),

  decide(asked, found) {
    const status = found.get(asked)
    if (status === undefined) {
      const error = { code: 'NOT_FOUND', message: 'there is no such push, or no more' }
      return [httpAnswer(asked.origin, 404, { error })]
    }
    return [httpAnswer(asked.origin, 200, answerOf(status, asked.limit))]
  },
})
