/** Which reports were published: implements the ReportLedger of gateway/ports.ts. */
import type { Redis } from 'ioredis'
import type { ReportLedger } from '../../gateway/ports.js'
import type { RedisKeys } from './keys.js'

const kept_ms = 24 * 3_600_000

/** For a day; what Redis loses is published once more without a mark. */
export const createReportLedger = ({ redis, keys }: { redis: Redis; keys: RedisKeys }): ReportLedger => ({
  isPublished: async (user_id, report_id) => (await redis.exists(keys.report(user_id, report_id))) === 1,
  async published(user_id, report_id) {
    await redis.set(keys.report(user_id, report_id), '', 'PX', kept_ms)
  },
})
