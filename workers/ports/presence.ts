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
  /** The devices that it replaced and that must be kicked: the same answer when the login is repeated. */
  readonly replaced: readonly PresentDevice[]
  /** Those that were already gone with an earlier start of the same gate: offline, nobody to kick. Repeated likewise. */
  readonly ended: readonly PresentDevice[]
}

export interface Presence {
  /** All present devices of these users, in one round trip; users with none are absent. */
  of(userIds: readonly number[]): Promise<ReadonlyMap<number, readonly PresentDevice[]>>
  /** Compare-and-set on (epoch, number): the higher login number of a class wins. Idempotent. One answer each, in order. */
  login(logins: readonly PresentDevice[]): Promise<readonly LoginResult[]>
  /**
   * Removes presences that are still these very logins. True where one was.
   * @param causes what each is removed for, by a name that is the same when it is repeated; then so is the answer,
   *   also where the first one never reached who has to announce it
   */
  remove(
    logins: readonly Pick<PresentDevice, 'user_id' | 'device' | 'gate_id' | 'gate_epoch' | 'login_number'>[],
    causes?: readonly string[],
  ): Promise<readonly boolean[]>
}

/** One start of one gate. */
export type GateStart = Pick<PresentDevice, 'gate_id' | 'gate_epoch'>

/** Starts of gates that hold no lease any more, for the presence sweep. */
export interface EndedGates {
  /** `superseded`: a newer start has the gate's id; otherwise the lease lapsed or was given back. */
  list(): Promise<readonly (GateStart & { readonly superseded: boolean })[]>
  /**
   * Takes up to `limit` of its devices offline: those that still were this start's, and those that somebody has taken
   * offline a while ago and never announced. Any number of processes may call it at once; each device is in one answer
   * only, unless it is not announced. `more`: call again when they are.
   */
  takeOffline(
    gate: GateStart,
    limit: number,
  ): Promise<{
    readonly removed: readonly Pick<PresentDevice, 'user_id' | 'device'>[]
    readonly more: boolean
  }>
  /** Businesses were told of these devices, which `takeOffline` answered: the very objects. */
  announced(gate: GateStart, devices: readonly Pick<PresentDevice, 'user_id' | 'device'>[]): Promise<void>
  /** Of these gate ids the ones that renewed no lease for `silence_ms`; one never heard of counts from now. */
  silent(gateIds: readonly string[], silence_ms: number): Promise<readonly string[]>
  /** Forgets gates whose topic is gone. */
  forget(gateIds: readonly string[]): Promise<void>
}

/** Lets one process of many do something. Not a proof against a frozen holder: only for work that may be done twice. */
export interface Locks {
  /** Runs `work` when nobody holds `name`, which is given back after it, or after `limit_ms`. False: somebody does. */
  once(name: string, limit_ms: number, work: () => Promise<void>): Promise<boolean>
}

/** Counts logins with a wrong token, by account and by address. */
export interface LoginFailures {
  /** Counts these, and answers for each how many there were within a minute: the larger of its account's and its address's. */
  count(
    failures: readonly { readonly user_id: number; readonly address: string | undefined }[],
  ): Promise<readonly number[]>
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
  /** What waits in a partition and was not flushed; undefined when Redis lost it, or a part of it (the claim is gone). */
  read(partition: number): Promise<readonly (PendingAck & { readonly time: number })[] | undefined>
  /** These were flushed: they are shown to `find` for some seconds yet, then forgotten. */
  drop(partition: number, acks: readonly PendingAck[]): Promise<void>
  /**
   * All records appended up to `time` (ms) have been handled in these partitions. False, and nothing is written,
   * when the claim of one of them is gone: what Redis lost must be read again first.
   */
  progressed(partitions: readonly number[], time: number): Promise<boolean>
}
