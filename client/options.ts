/** What a client is told of its user, its server and its habits. */
import type { ClientType } from './gen/protocol.js'
import type { Positions } from './timeline.js'

/** What an app keeps so that the next start pulls only what is new. Plain JSON. */
export interface Snapshot {
  readonly cursor: number
  readonly shown: Positions
}

export interface ClientOptions {
  readonly user_id: number
  /** The user's token, or what fetches it from the app's own server; asked at each login. */
  readonly token: string | (() => string | Promise<string>)
  /** `https://chat.example.com`: asked for its list of gateways. Or `addresses`. */
  readonly server?: string
  /** Gateways, or the balancer before them: `wss://host/ws`; in Node `tcp://host:port` and `tls://` too. */
  readonly addresses?: readonly string[]
  /** Changes the nick name where it differs. */
  readonly nick_name?: string
  /** WEB where it is not given. */
  readonly client_type?: ClientType
  readonly client_version?: string
  readonly device_id?: string
  /** `snapshot()` of an earlier run. Without it everything that the server keeps is pulled at the first login. */
  readonly resume?: Snapshot
  /** Unsettled messages at most; `send` beyond it is refused. 1,000. */
  readonly outbox_limit?: number
  /** Packets a second that the server takes (its RATE_LIMIT_PACKETS, 50): messages are sent a little slower. */
  readonly packets_per_second?: number
  /** Waits between attempts to connect: the first (500) and the longest (30,000). */
  readonly firstRetry_ms?: number
  readonly longestRetry_ms?: number
  /** 25,000; the server closes after 60,000 of silence. */
  readonly heartbeat_ms?: number
  /** The server answers each request, also with SERVER_BUSY, within 10 s. 11,000. */
  readonly answerWithin_ms?: number
}
