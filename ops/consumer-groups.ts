/** Our consumer groups: each worker with its topic. */
import type { AnyTopic } from '../schemas/topics.js'
import type { BusInspection } from './ports.js'

export interface ConsumerGroup {
  /** Without prefix: the worker's name. */
  readonly name: string
  readonly topic: AnyTopic
  /** ms; a delay topic's records are handled only when they are this old. */
  readonly delay_ms: number | undefined
}

/** What every command works with. */
export interface Operation {
  readonly bus: BusInspection
  readonly prefix: string
  readonly groups: readonly ConsumerGroup[]
  /** ms */
  readonly now: () => number
}
