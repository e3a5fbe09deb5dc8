/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util'
import { CannotStart } from '../infra/local/terminal.js'

export interface Options {
  /** Messages a second, each a row. */
  readonly rates: readonly number[]
  readonly seconds: number
  readonly warmup: number
  readonly idle: number
  readonly pairs: number
  readonly knee: boolean
  /** Which parts of the benchmark are run. */
  readonly chat: boolean
  readonly groups: boolean
  readonly broadcast: boolean
  /** Connections that a broadcast goes to. */
  readonly listeners: number
  readonly ours: boolean
  /** What stands beside our figures. */
  readonly beside: 'floor' | 'hops' | 'nothing'
  readonly profile: boolean
  readonly help: boolean
}

const flags = {
  rates: { type: 'string', default: '200,500,1000,2000' },
  seconds: { type: 'string', default: '20' },
  warmup: { type: 'string', default: '30' },
  idle: { type: 'string', default: '30' },
  pairs: { type: 'string', default: '50' },
  'skip-knee': { type: 'boolean', default: false },
  'skip-ours': { type: 'boolean', default: false },
  'skip-floor': { type: 'boolean', default: false },
  hops: { type: 'boolean', default: false },
  groups: { type: 'boolean', default: false },
  broadcast: { type: 'boolean', default: false },
  'skip-broadcast': { type: 'boolean', default: false },
  listeners: { type: 'string', default: '10000' },
  'skip-groups': { type: 'boolean', default: false },
  profile: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false, short: 'h' },
} as const

export const help = `npm run bench [-- options]

Measures single chat, group chat and catching up on a Kafka, PostgreSQL and Redis of its own, and beside it the least code that does the same work.

  --rates 200,500,1000,2000   messages a second, a row each
  --seconds 20                how long each row takes
  --warmup 30                 how long messages go through each system before anything is measured (0: not at all)
  --idle 30                   seconds of idling before memory is read (0: it is not)
  --pairs 50                  senders, each with a receiver
  --skip-knee                 do not search for the highest rate that holds
  --skip-ours, --skip-floor   only the other one
  --hops                      beside empty Kafka hops and a bulk insert even where the floor is present
  --groups                    groups and catching up only; --skip-groups: single chat only
  --broadcast                 pushes to everyone online only; --skip-broadcast: all but those
  --listeners 10000           connections that they go to; both ends count for \`ulimit -n\`
  --profile                   a CPU profile of our process for each row
  --help                      this text

Results go to bench/results/ too.`

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least) return value
  throw new CannotStart(`--${name} ${text}: a whole number from ${least} up is needed`)
}

/**
 * @param floorIsPresent whether tools/floor.mjs was found
 * @throws CannotStart on an option that there is not, or a value that makes no sense
 */
export function readOptions(argv: string[], floorIsPresent: boolean): Options {
  try {
    const { values } = parseArgs({ args: argv, options: flags, strict: true })
    return {
      rates: values.rates
        .split(',')
        .filter((rate) => rate !== '')
        .map((rate) => whole('rates', rate, 1)),
      seconds: whole('seconds', values.seconds, 1),
      warmup: whole('warmup', values.warmup, 0),
      idle: whole('idle', values.idle, 0),
      pairs: whole('pairs', values.pairs, 1),
      knee: !values['skip-knee'],
      chat: !values.groups && !values.broadcast,
      groups: !values['skip-groups'] && !values.broadcast,
      broadcast: values.broadcast || (!values['skip-broadcast'] && !values.groups),
      listeners: whole('listeners', values.listeners, 1),
      ours: !values['skip-ours'],
      beside: values['skip-floor'] ? 'nothing' : floorIsPresent && !values.hops ? 'floor' : 'hops',
      profile: values.profile,
      help: values.help,
    }
  } catch (error) {
    if (error instanceof CannotStart) throw error
    throw new CannotStart(`${(error as Error).message}\nSee npm run bench -- --help`)
  }
}
