/** Waiting, with a limit, and without a timer left behind. */
import { BusUnavailable } from '../../schemas/bus.js'

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * The work's result. The work itself goes on when it is late.
 * @throws BusUnavailable after `limit_ms`
 */
export async function within<T>(limit_ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new BusUnavailable(`no answer within ${limit_ms} ms`)), limit_ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits for the work, however it ends, but no longer than `limit_ms`. */
export const atMost = (limit_ms: number, work: Promise<unknown>): Promise<unknown> =>
  within(limit_ms, work).catch(() => undefined)
