/**
 * One client's socket as the gate knows it: a plain record, so that ten thousand idle ones stay small, and a
 * transport that hides whether it is TCP, TLS or WebSocket.
 */
import type { DeviceName } from '../schemas/ids.js'
import type { Span } from '../schemas/tracer.js'
import type { Trace } from '../schemas/tracing.js'
import type { Frame } from './codec/frame.js'
import type { PendingRequest } from './pending.js'
import { type Bucket, fullBucket, type RateLimit } from './rate.js'
import type { OutboundPacket, Target } from './targets.js'

/** Why the gate ends a connection; the name is the label of the metric. */
export type CloseReason = keyof typeof closings

/**
 * How each is done. Abrupt: what is unsent is dropped. Otherwise it is written first, then the socket is closed.
 * The codes are WebSocket's (RFC 6455, 7.4; 1012 and 1013 are IANA's): 1012 and 1013 invite to come back.
 */
export const closings = {
  length: { abrupt: true, code: 1009 },
  'partial-packet': { abrupt: false, code: 1007 },
  'text-message': { abrupt: false, code: 1003 },
  version: { abrupt: false, code: 1002 },
  'not-authenticated': { abrupt: false, code: 1008 },
  'bad-packets': { abrupt: false, code: 1008 },
  'ack-rate': { abrupt: false, code: 1008 },
  'auth-timeout': { abrupt: false, code: 1008 },
  silent: { abrupt: true, code: 1001 },
  slow: { abrupt: true, code: 1013 },
  refused: { abrupt: false, code: 1008 },
  'told-by-worker': { abrupt: false, code: 1000 },
  busy: { abrupt: false, code: 1013 },
  replaced: { abrupt: false, code: 1000 },
  draining: { abrupt: false, code: 1012 },
  fenced: { abrupt: true, code: 1012 },
  gone: { abrupt: true, code: 1001 },
} as const

/** A socket that takes whole packets. */
export interface Transport {
  /** Writes whole packets, in pieces as given, at one go where that pays. `onWritten`: the system has taken them. */
  send(pieces: readonly Uint8Array[], bytes: number, onWritten?: () => void): void
  /** Bytes that wait in this process because the reader is slow. */
  unsentBytes(): number
  pause(): void
  resume(): void
  /** Closes after what was sent; `code` is WebSocket's. */
  end(code: number): void
  destroy(): void
}

/** new: no login yet · pending: its login is being judged · online · closing: said goodbye, socket still open · closed */
export type ConnectionState = 'new' | 'pending' | 'online' | 'closing' | 'closed'

/** A packet of the bus that waits for the login's answer. */
export interface HeldPacket {
  readonly packet: OutboundPacket
  readonly target: Target
}

export interface Connection {
  /** In the gate's targets; 0 until registered. */
  id: number
  readonly transport: Transport
  readonly remote_address: string
  /** ms, monotonic; the accept. */
  readonly opened_at: number
  state: ConnectionState
  last_packet_at: number
  closing_at: number

  user_id: number
  device: DeviceName
  /** 0 until logged in. */
  login_number: number
  /** seq_num of its AUTH_TOKEN_REQ. */
  login_seq: number
  /** ms, wall clock, of the login. */
  since: number

  /** The last seq_num that the server counted for a packet of its own; 1 … 65535. */
  last_seq: number
  readonly packets: Bucket
  readonly acks: Bucket
  /** Times of bad packets. */
  strikes: number[] | undefined
  /** What a worker still has to answer, oldest first. */
  requests: PendingRequest[]
  /** What the packet that is being served belongs to, and its span where it is recorded and no request has it. */
  trace: Trace | undefined
  span: Span | undefined
  /** While pending: what the client sent meanwhile, and what the bus brought. */
  heldFrames: Frame[]
  heldPackets: HeldPacket[]

  /** Packets of this turn, in pieces, not yet handed to the transport. */
  outbox: Uint8Array[]
  outbox_bytes: number
  /** Size of the one long answer that does not count as unsent (spec 1-wire, "Header"); 0: none. */
  exempt_bytes: number
}

const noDevice: DeviceName = { client_type: 0 }

export interface ConnectionLimits {
  readonly packets: RateLimit
  readonly acks: RateLimit
}

/** A connection that has just been accepted. */
export const newConnection = (
  transport: Transport,
  remote_address: string,
  opened_at: number,
  limits: ConnectionLimits,
): Connection => ({
  id: 0,
  transport,
  remote_address,
  opened_at,
  state: 'new',
  last_packet_at: opened_at,
  closing_at: 0,
  user_id: 0,
  device: noDevice,
  login_number: 0,
  login_seq: 0,
  since: 0,
  last_seq: 0,
  packets: fullBucket(limits.packets, opened_at),
  acks: fullBucket(limits.acks, opened_at),
  strikes: undefined,
  requests: [],
  trace: undefined,
  span: undefined,
  heldFrames: [],
  heldPackets: [],
  outbox: [],
  outbox_bytes: 0,
  exempt_bytes: 0,
})

/** The number of the server's next own packet: 1 … 65535, then 1 again. */
export function nextSeq(connection: Connection): number {
  connection.last_seq = connection.last_seq === 65_535 ? 1 : connection.last_seq + 1
  return connection.last_seq
}

/** False once nothing more is read from it or written to it. */
export const isOpen = ({ state }: Connection): boolean => state !== 'closing' && state !== 'closed'
