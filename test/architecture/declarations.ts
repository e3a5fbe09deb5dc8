/** Who writes and who reads which topic, as the gateway and the workers themselves declare it. */
import { gatewayConsumes, gatewayProduces } from '../../gateway/declares.js'
import { type AnyTopic, topics } from '../../schemas/topics.js'
import type { AnyWorker } from '../../workers/kit/worker.js'
import { workerRoles } from '../../workers/main.js'
import { presenceProduces } from '../../workers/presence.js'

/** A node of the dataflow: a role, or the businesses' own systems. */
export interface Part {
  readonly name: string
  readonly consumes: readonly AnyTopic[]
  readonly produces: readonly AnyTopic[]
}

export const gateway = 'gateway'
export const businesses = 'businesses'

/** Every topic of the catalogue. */
export const catalogue: readonly AnyTopic[] = Object.values(topics)

const roles = Object.entries(workerRoles) as [string, readonly AnyWorker[]][]

/** All parts, in the order in which a reader meets them. */
export const parts: readonly Part[] = [
  { name: gateway, consumes: gatewayConsumes, produces: gatewayProduces },
  ...roles.map(([name, members]) => ({
    name,
    consumes: distinct(members.map((worker) => worker.consumes)),
    produces: distinct(members.flatMap((worker) => worker.produces)),
  })),
  { name: 'presence', consumes: [], produces: presenceProduces },
  {
    name: businesses,
    consumes: catalogue.filter(({ external }) => external === 'read'),
    produces: catalogue.filter(({ external }) => external === 'written'),
  },
]

function distinct(some: readonly AnyTopic[]): AnyTopic[] {
  return [...new Set(some)]
}

/** Names of the parts that write a topic. */
export const writersOf = (topic: AnyTopic): string[] =>
  parts.filter(({ produces }) => produces.includes(topic)).map(({ name }) => name)

/** Names of the parts that read a topic. */
export const readersOf = (topic: AnyTopic): string[] =>
  parts.filter(({ consumes }) => consumes.includes(topic)).map(({ name }) => name)
