/** Our consumer groups: each worker with its topic. */
import type { AnyTopic } from '../schemas/topics.js'
import type { BusInspection } from './ports.js'
import { Refusal } from './refusal.js'

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

/**
 * The group of that name, with or without the prefix.
 * @throws Refusal where there is none
 */
export function groupOf({ groups, prefix }: Operation, given: string): ConsumerGroup {
  const name = given.startsWith(prefix) ? given.slice(prefix.length) : given
  const group = groups.find((each) => each.name === name)
  if (group !== undefined) return group
  throw new Refusal(`There is no group ${given}. There are: ${groups.map((each) => each.name).join(', ')}`)
}
