/** Presence: which devices of a user are connected, and where (spec 2, "Login, presence, kick" 3–5). Types only. */
import type { DeviceName } from '../../schemas/ids.js'

/** One login of one device. */
export interface PresentDevice {
  readonly user_id: number
  readonly device: DeviceName
  readonly gate_id: string
  /** ms, the gate's start. */
  readonly gate_epoch: number
  readonly connection_id: number
  readonly login_number: number
  readonly client_version?: string
  /** ms */
  readonly since: number
}

export type LoginPolicy = 'one-per-type' | 'one-per-class' | 'single' | 'unlimited'

export interface LoginResult {
  /** False: a newer login (higher number) already holds its place; this one must be closed. */
  readonly accepted: boolean
  /** The devices that it replaced: the same answer when the login is repeated. */
  readonly replaced: readonly PresentDevice[]
}

export interface Presence {
  /** All present devices of these users, in one round trip; users with none are absent. */
  of(userIds: readonly number[]): Promise<ReadonlyMap<number, readonly PresentDevice[]>>
  /** Compare-and-set on (epoch, number): the higher login number of a class wins. Idempotent. One answer each, in order. */
  login(logins: readonly PresentDevice[]): Promise<readonly LoginResult[]>
  /** Removes presences that are still these very logins. True where one was. */
  remove(
    logins: readonly Pick<PresentDevice, 'user_id' | 'device' | 'gate_id' | 'gate_epoch' | 'login_number'>[],
  ): Promise<readonly boolean[]>
}

/** Devices that may be notified when offline: known, with a push token, not logged out. */
export interface PhoneDirectory {
  of(userIds: readonly number[]): Promise<ReadonlyMap<number, readonly DeviceName[]>>
}

/** Acks that wait for the flush, in Redis. */
export interface PendingAck {
  readonly reader_user_id: number
  /** deviceKey */
  readonly device: string
  readonly from_user_id: number
  readonly msg_id: string
}

export interface AckLookup {
  /**
   * Which of these acks wait in Redis (one round trip), and the time (ms) up to which the tracker has handled
   * every partition; 0 where that is not known.
   */
  find(
    acks: readonly PendingAck[],
  ): Promise<{ readonly acked: readonly boolean[]; readonly handledUntil: number }>
}

export interface PendingAcks extends AckLookup {
  /**
   * Keeps acks of one partition until the flush; drops those of a login that was replaced (I9).
   * @param partition of delivery.acked
   */
  add(
    partition: number,
    acks: readonly (PendingAck & { readonly time: number; readonly login_number: number })[],
  ): Promise<void>
  /** Marks these partitions as ours; what is in them from before stays. */
  claim(partitions: readonly number[]): Promise<void>
  /** What waits in a partition; undefined when Redis lost it (the claim is gone). */
  read(partition: number): Promise<readonly (PendingAck & { readonly time: number })[] | undefined>
  /** Forgets what was flushed. */
  drop(partition: number, acks: readonly PendingAck[]): Promise<void>
  /**
   * All records appended up to `time` (ms) have been handled in these partitions. False, and nothing is written,
   * when the claim of one of them is gone: what Redis lost must be read again first.
   */
  progressed(partitions: readonly number[], time: number): Promise<boolean>
}
