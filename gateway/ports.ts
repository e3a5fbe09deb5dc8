/** What a gate needs beside the bus. Types only; infra/redis and infra/files implement them. */
import type { Readable } from 'node:stream'
import type { DeviceName } from '../schemas/ids.js'

/** host:port or URL of each transport that this gate offers. */
export interface GateAddresses {
  readonly tcp?: string
  readonly tls?: string
  readonly ws?: string
  readonly wss?: string
}

export interface GateIdentity {
  readonly gate_id: string
  /** ms, this gate's start: higher = newer. */
  readonly gate_epoch: number
}

export interface GateLease {
  /**
   * Takes or renews the lease for `lease_ms` and tells the directory our addresses and load.
   * 'held': it was ours all the time. 'restored': it had lapsed or Redis lost it: register all devices again.
   * 'fenced': a newer epoch has the id: close everything.
   * Rejects when Redis is away.
   */
  renew(addresses: GateAddresses, connections: number): Promise<'held' | 'restored' | 'fenced'>
  /** Gives it back at a clean stop. */
  release(): Promise<void>
}

export interface GateDirectory {
  /** Live gates, least loaded first. */
  live(): Promise<readonly GateAddresses[]>
}

export interface RegisteredLogin {
  readonly user_id: number
  readonly device: DeviceName
  readonly connection_id: number
  readonly login_number: number
  readonly client_version?: string
  /** ms */
  readonly since: number
}

export interface DevicePresence {
  /**
   * Again after a lost lease: one answer each. false: a higher login number holds its place (KICK_NOTIFY, close).
   * 'returned': it had been taken offline in between, so presence.changed `online` is due. 'kept': nothing changed.
   * A repeat of a call that rejected answers what that one would have.
   */
  register(logins: readonly RegisteredLogin[]): Promise<readonly (false | 'kept' | 'returned')[]>
  /**
   * A connection ended: true where presence was still this login's. A repeat of a call that rejected answers the same,
   * unless the device has logged in again since. The sweep knows of it until `announced`, so that its event outlives
   * this gate.
   */
  remove(logins: readonly RegisteredLogin[]): Promise<readonly boolean[]>
  /** Businesses were told of these, which were removed: the very objects. */
  announced(logins: readonly RegisteredLogin[]): Promise<void>
}

/** Remembers reports for a day, so that a repeat can be told. */
export interface ReportLedger {
  /** Both reject when Redis is away. */
  isPublished(user_id: string, report_id: string): Promise<boolean>
  published(user_id: string, report_id: string): Promise<void>
}

/** What the workers say of themselves, through Redis. */
export interface WorkerHealth {
  /** Roles with a live heartbeat, and whether the database answered it. Rejects when Redis is away. */
  check(): Promise<{ readonly roles: readonly string[]; readonly database: boolean }>
}

/** The files of a page by name, ready to be sent. */
export type PageFiles = ReadonlyMap<string, { readonly type: string; readonly body: Buffer }>

/** The certificate of the TLS and HTTPS listeners, PEM. */
export interface Certificate {
  current(): { readonly cert: Buffer; readonly key: Buffer }
  /** Called whenever a new, valid pair is in place. */
  onChange(listener: () => void): void
}

/** Bytes of a file, from 0. */
export interface ByteRange {
  readonly start: number
  /** Inclusive. */
  readonly end: number
}

/**
 * Where the bytes of files lie: a folder, or S3. Names are file ids, or those of their thumbnails. Every call rejects
 * where the store cannot be reached.
 */
export interface FileStore {
  /**
   * Stores all that the stream has, under this name, for good once it resolves. Where it rejects, or the stream fails,
   * nothing is there under a name that had nothing before.
   */
  write(name: string, bytes: Readable): Promise<void>
  /** The bytes, or some of them; undefined where there are none under this name. */
  read(name: string, range?: ByteRange): Promise<Readable | undefined>
  /** Removes what is there of these files, thumbnails and half-written copies too. */
  remove(fileIds: readonly string[]): Promise<void>
  close(): void
}

/** A small picture of a large one. */
export interface Thumbnail {
  /** WebP */
  readonly bytes: Buffer
  /** Of the picture itself, as it is shown (turned as its EXIF says), pixels. */
  readonly width: number
  readonly height: number
}

export interface Thumbnails {
  /** Undefined where the bytes are no picture that can be read, or one too large to look at. */
  of(picture: Readable): Promise<Thumbnail | undefined>
}

/** Signs addresses that are good for a while without a key. */
export interface AddressSigner {
  /** base64url, for these parts in this order. */
  sign(...parts: readonly string[]): string
  /** Constant time. */
  verify(signature: string, ...parts: readonly string[]): boolean
}

/** What a gate needs for files: the only bytes that do not go over the bus. */
export interface GateFiles {
  readonly store: FileStore
  readonly thumbnails: Thumbnails
  readonly signer: AddressSigner
}
