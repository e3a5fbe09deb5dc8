/** What workers need to know of robots: who is one, and what it answers. */
import type { Trace } from '../../schemas/tracing.js'

/** Where a robot is asked. */
export interface RobotHook {
  readonly webhook: string
  /** Signs the calls; null: they are not signed. */
  readonly secret: string | null
}

export interface RobotDirectory {
  /** Those of these users that are robots. No round trip for nobody. */
  among(userIds: readonly number[]): Promise<ReadonlySet<number>>
  /** Only users that are robots now are in the answer. */
  of(userIds: readonly number[]): Promise<ReadonlyMap<number, RobotHook>>
}

/** A message that a robot is asked about. */
export interface Question {
  readonly robot_user_id: number
  readonly from_user_id: number
  readonly msg_id: string
  readonly conversation: string
  readonly server_msg_id: number
  readonly msg_type: number
  readonly msg_data: Uint8Array
  /** ms */
  readonly time: number
  readonly trace?: Trace | undefined
}

/** The time that a robot has. */
export interface Patience {
  /** Of one call, and of all calls to one robot in one batch, ms. */
  readonly limit_ms: number
  /** A robot that failed lately is not called. */
  readonly sparing: boolean
}

export type RobotAnswer =
  /** msg_data of a ROBOT message. */
  | { readonly kind: 'said'; readonly msg_data: Uint8Array }
  /** It has nothing to say to that. */
  | { readonly kind: 'silent' }
  /** Another call may pass. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** It was not called: the robot's time in this batch was over. */
  | { readonly kind: 'untried' }
  /** No other call will pass. */
  | { readonly kind: 'unusable'; readonly reason: string }

export interface RobotCaller {
  /**
   * Asks each question, those of one conversation one after the other; never rejects.
   * @returns one answer per question, in order
   */
  ask(
    questions: readonly { readonly question: Question; readonly hook: RobotHook }[],
    patience: Patience,
  ): Promise<readonly RobotAnswer[]>
}
