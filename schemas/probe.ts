/** The topic that only the doctor writes and reads, to see whether the brokers take a record, and what time they have. */
import type { TopicSettings } from './bus.js'

const hour_ms = 3_600_000

/** @param prefix TOPIC_PREFIX */
export const probeTopic = (prefix: string): TopicSettings => ({
  name: `${prefix}ops.probe`,
  partitions: 1,
  config: {
    'cleanup.policy': 'delete',
    'retention.ms': String(hour_ms),
    'message.timestamp.type': 'LogAppendTime',
  },
})
