/** This machine's clock beside that of Redis, which all our processes share: one that is wrong is said, not borne in silence. */
import type { Redis } from 'ioredis'
import { clockRemedy, clockSkew_ms, saysClock } from '../../schemas/clock.js'
import type { Logger } from '../../schemas/log.js'

const look_ms = 60_000
const consequences =
  'messages get wrong times and sort wrongly in lists, and what is due after a delay is due too early or too late'

/** How far the clock of Redis is before ours, ms. @throws where Redis does not answer */
export async function redisAhead(redis: Pick<Redis, 'time'>): Promise<number> {
  const asked = Date.now()
  const [seconds, microseconds] = await redis.time()
  const answered = Date.now()
  return Number(seconds) * 1_000 + Number(microseconds) / 1_000 - (asked + answered) / 2
}

export interface ClockWatch {
  /** How far our clock was before that of Redis at the last look, ms. */
  ahead(): number
  stop(): void
}

/** Looks at once and every minute; says so once when it is wrong by 5 s or more, and once when it is right again. */
export function watchClock(redis: Pick<Redis, 'time'>, log: Logger): ClockWatch {
  let ahead_ms = 0
  let isWrong = false
  async function look(): Promise<void> {
    ahead_ms = -(await redisAhead(redis))
    const wasWrong = isWrong
    isWrong = Math.abs(ahead_ms) >= clockSkew_ms.wrong
    if (isWrong === wasWrong) return
    const says = saysClock('this machine', ahead_ms, 'that of Redis')
    if (isWrong) log.error({ ahead_ms }, `${says}: ${consequences}; ${clockRemedy}`)
    else log.info({ ahead_ms }, `${says}: right again`)
  }
  // Without an answer there is nothing to compare; others say that Redis is away.
  const lookOrWait = () => void look().catch(() => {})
  lookOrWait()
  const timer = setInterval(lookOrWait, look_ms)
  return { ahead: () => ahead_ms, stop: () => clearInterval(timer) }
}
