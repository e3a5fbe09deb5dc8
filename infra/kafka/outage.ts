/** Says once for all producers of a process that Kafka does not confirm what they send, and what an operator can do. */
import type { Logger } from '../../schemas/log.js'

/** So long nothing may have failed before it counts as over: where one partition is away, sends to others pass. */
const calm_ms = 10_000

/** By what kafkajs says of its connections and requests, as far as it names a cause. */
const remedies: readonly (readonly [RegExp, string])[] = [
  [
    /Disk error/,
    'a disk of Kafka is full or broken. Give it room (a larger volume, never by deleting files of its log folder) and start the broker again if it has stopped',
  ],
  [
    /fewer in-sync replicas/,
    'too few copies are in step (min.insync.replicas). Bring the brokers back that are away',
  ],
  [
    /AUTHORIZATION|[Nn]ot authorized/,
    'this user may not write there. Give it its rights (docs/operate/kafka.md)',
  ],
]
const usual =
  'are all brokers up, and can they be reached? One whose disk is full stops by itself: its log says so (docs/runbooks/SendsFail.md)'
const meanwhile = 'Until then senders hear SERVER_BUSY and nothing acked is lost; it goes on by itself'

/** What to do about a send that failed for this reason. */
export const remedyOf = (reason: string): string =>
  remedies.find(([cause]) => cause.test(reason))?.[1] ?? usual

export interface Outage {
  /** A send failed, or no connection could be made. */
  failed(producer: string, reason: string): void
  /** A send was confirmed. */
  passed(): void
}

/** @param now ms, for tests */
export function createOutage(log: Logger, now: () => number = Date.now): Outage {
  let since: number | undefined
  let failedLast = 0
  return {
    failed(producer, reason) {
      failedLast = now()
      if (since !== undefined) return log.debug({ producer, reason }, 'not confirmed')
      since = failedLast
      log.warn({ producer, reason }, `Kafka does not confirm what is sent: ${remedyOf(reason)}. ${meanwhile}`)
    },
    passed() {
      if (since === undefined || now() - failedLast < calm_ms) return
      log.info({ lasted_ms: failedLast - since }, 'Kafka confirms what is sent again')
      since = undefined
    },
  }
}
