/** A kafkajs client with our sockets, timers, retries and log. */
import './moves.js'
import './records.js'
import './timers.js'
import type { ConnectionOptions } from 'node:tls'
import { Kafka, logLevel, type SASLOptions } from 'kafkajs'
import type { Logger } from '../../schemas/log.js'
import type { Connect, Sockets } from './socket.js'

/** Is told what the bus does, for figures; called once per send or batch, never per record. */
export interface BusObserver {
  /** A send of so many records was acked by all replicas. */
  sent(producer: string, records: number, duration_ms: number): void
  sendFailed(producer: string): void
  /** A handler threw; the batch comes again. */
  batchFailed(group: string): void
}

export interface BusSettings {
  /** host:port each. */
  readonly brokers: readonly string[]
  /** Undefined: no TLS. */
  readonly tls?: ConnectionOptions | undefined
  readonly sasl?: SASLOptions
  readonly clientId: string
  /** Before every consumer group. Topic names come whole. */
  readonly prefix: string
  /** Replication factor of the topics that are made. */
  readonly replication: number
  /** Their min.insync.replicas. */
  readonly minInSync?: number
  readonly log: Logger
  /** A consumer that cannot go on. Default: log and exit(1), for a supervisor to start the process again. */
  readonly onDead?: (reason: string) => void
  readonly observer?: BusObserver
  /** Opens connections to brokers; for tests. */
  readonly connect?: Connect
}

/** Of TLS more: the handshakes of all clients of a process share its one thread, and the broker's few. */
const connectTimeout_ms = { plain: 1_000, tls: 10_000 }

/** How long a client may take from its first connection to its first use, ms; anew is more expensive than late. */
export const clientConnect_ms = ({ tls, sasl }: BusSettings): number => (tls || sasl ? 15_000 : 3_000)

/**
 * kafkajs' own retries. They end, so that a client that was thrown away falls silent; while they last they
 * reconnect at least once a second.
 */
const retry = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 9 }

/**
 * @param requestTimeout_ms how long one request may go unanswered
 * @param onFault is told why a connection or a request failed, each time; kafkajs goes on trying
 */
export function createClient(
  settings: BusSettings,
  sockets: Sockets,
  requestTimeout_ms: number,
  onFault?: (reason: string) => void,
): Kafka {
  const { tls, sasl, log } = settings
  return new Kafka({
    clientId: settings.clientId,
    brokers: [...settings.brokers],
    ...(tls ? { ssl: tls } : {}),
    ...(sasl ? { sasl } : {}),
    socketFactory: sockets.open,
    connectionTimeout: tls ? connectTimeout_ms.tls : connectTimeout_ms.plain,
    requestTimeout: requestTimeout_ms,
    retry,
    logLevel: logLevel.WARN,
    // Its errors are retried or come to us as rejections, which we log once; these lines are for a closer look.
    logCreator:
      () =>
      ({ namespace, level, log: { message, error } }) => {
        log.debug({ namespace }, `kafkajs: ${message}`)
        if (namespace === 'Connection' && level === logLevel.ERROR) onFault?.(String(error ?? message))
      },
  })
}
