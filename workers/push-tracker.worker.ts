/** How far a push came: the first device that it was written to, and the first that acked it, are told businesses. */
import { coffeechat } from '../proto/index.js'
import { deviceKey } from '../schemas/ids.js'
import { topics } from '../schemas/topics.js'
import { pushResult } from './kit/pushes.js'
import { defineWorker, save } from './kit/worker.js'
import type { Pushes, ReceiverStep } from './ports/pushes.js'

import event = coffeechat.event

interface Row extends ReceiverStep {
  readonly client_type: number
}

export const pushTracker = defineWorker({
  name: 'push-tracker',
  consumes: topics.pushReached,
  produces: [topics.pushResult],

  decide: ({ login, push_id, step, time }) => [
    save<Row>({
      push_id,
      user_id: login.user_id,
      step: step === event.PushStep.PUSH_STEP_ACKED ? 'acked' : 'written',
      device: deviceKey(login.device),
      client_type: login.device.client_type,
      time,
    }),
  ],

  save: (rows: readonly Row[], { pushes }: { pushes: Pushes }) => pushes.reached(rows),

  saved: ({ push_id, user_id, step, client_type, time }, isFirst: boolean) =>
    isFirst ? [pushResult(push_id, user_id, step === 'acked' ? 'acked' : 'sent', { time, client_type })] : [],
})
