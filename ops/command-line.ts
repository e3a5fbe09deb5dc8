/** The command line of `npm run ops -- …`: what is asked, or what is wrong with it. */
import { parseArgs } from 'node:util'
import { Refusal } from './refusal.js'

/** Which dead letters of a topic: those at these offsets, or all. */
export type Chosen = readonly number[] | 'all'

export type Command =
  | { readonly name: 'help' }
  | { readonly name: 'topics' }
  | { readonly name: 'doctor' }
  | { readonly name: 'dlq list'; readonly topic: string | undefined }
  | { readonly name: 'dlq show'; readonly topic: string; readonly chosen: Chosen; readonly bodies: boolean }
  | { readonly name: 'dlq resend' | 'dlq drop'; readonly topic: string; readonly chosen: Chosen }
  | {
      readonly name: 'replay'
      readonly group: string
      /** ms */
      readonly from: number
      readonly dryRun: boolean
    }
  | { readonly name: 'skip'; readonly group: string; readonly dryRun: boolean }
  | {
      readonly name: 'restored'
      /** ms; undefined: the bus was lost, or keeps nothing of that time. */
      readonly from: number | undefined
      readonly dryRun: boolean
    }
  | { readonly name: 'renumber' }

export interface CommandLine {
  readonly command: Command
  readonly json: boolean
}

export const help = `npm run ops -- <command>        (npm run --silent ops -- … where only the output may be printed)

  topics                         each consumer group: how far behind, how old, how many dead letters
  dlq list [TOPIC]               dead letters: of every group, or those of one topic
  dlq show TOPIC                 why each was rejected, and what it was
  dlq resend TOPIC               sends them again, to the group that rejected them only
  dlq drop TOPIC                 gives them up
  replay GROUP --from TIME       lets a group read again what came since then
  skip GROUP                     lets a group pass over what it has not handled yet
  restored [--from TIME]         after PostgreSQL was restored to a backup of that time, before anything starts:
                                 what clients remember is passed by, what happened since is handled again
  renumber                       after that, once it is handled: conversations go on with numbers nobody has seen
  doctor                         looks at everything that the system needs; exit code 1 where something is wrong

  --offset N      dlq: only this dead letter; several may be given. drop wants it, or --all
  --all           dlq drop: every one of the topic
  --bodies        dlq show: with what the messages say
  --from TIME     2026-05-04T10:00:00Z, or how long ago: 90s, 30m, 2h, 7d
  --dry-run       replay, skip, restored: says how much it is, and does nothing
  --json          one JSON value instead of text

TOPIC is as dlq list prints it, with or without TOPIC_PREFIX and ".dlq"; GROUP as topics prints it.
Where the system is: KAFKA_BROKERS, DATABASE_URL and REDIS_URL, else DATA_DIR/local.json of a running npm start.
Exit codes: 0 done, 1 something is wrong or could not be done, 2 the command is not understood.
`

const options = {
  offset: { type: 'string', multiple: true },
  all: { type: 'boolean' },
  bodies: { type: 'boolean' },
  from: { type: 'string' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

type Options = ReturnType<typeof parse>['values']

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: true })
  } catch (error) {
    throw new Refusal(`${(error as Error).message}\nSee npm run ops -- --help`)
  }
}

/** Which options each command takes, beside --json. */
const taken: Readonly<Record<Command['name'], readonly (keyof Options)[]>> = {
  help: Object.keys(options) as (keyof Options)[],
  topics: [],
  doctor: [],
  'dlq list': [],
  'dlq show': ['offset', 'bodies', 'all'],
  'dlq resend': ['offset', 'all'],
  'dlq drop': ['offset', 'all'],
  replay: ['from', 'dry-run'],
  skip: ['dry-run'],
  restored: ['from', 'dry-run'],
  renumber: [],
}

const names = ['topics', 'dlq', 'replay', 'skip', 'restored', 'renumber', 'doctor']

/**
 * @param now ms
 * @throws Refusal that says what is not understood, and what would be
 */
export function readCommandLine(argv: readonly string[], now: number): CommandLine {
  const { values, positionals } = parse(argv)
  const json = values.json === true
  if (values.help || positionals.length === 0 || positionals[0] === 'help')
    return { command: { name: 'help' }, json }
  const command = commandOf(positionals, values, now)
  for (const name of Object.keys(values) as (keyof Options)[])
    if (name !== 'json' && !taken[command.name].includes(name))
      throw new Refusal(`${command.name} takes no --${name}. See npm run ops -- --help`)
  return { command, json }
}

function commandOf(words: readonly string[], values: Options, now: number): Command {
  const [first, ...rest] = words
  switch (first) {
    case 'topics':
    case 'renumber':
    case 'doctor':
      atMost(words, 1)
      return { name: first }
    case 'dlq':
      return dlqCommand(rest, values)
    case 'replay': {
      atMost(words, 2)
      const [group] = rest
      if (group === undefined) throw new Refusal('replay needs a GROUP: npm run ops -- topics lists them')
      if (values.from === undefined) throw new Refusal('replay needs --from TIME, such as --from 2h')
      return { name: 'replay', group, from: timeOf(values.from, now), dryRun: values['dry-run'] === true }
    }
    case 'skip': {
      atMost(words, 2)
      const [group] = rest
      if (group === undefined) throw new Refusal('skip needs a GROUP: npm run ops -- topics lists them')
      return { name: 'skip', group, dryRun: values['dry-run'] === true }
    }
    case 'restored': {
      atMost(words, 1)
      const from = values.from === undefined ? undefined : timeOf(values.from, now)
      return { name: 'restored', from, dryRun: values['dry-run'] === true }
    }
    default:
      throw new Refusal(
        `There is no command ${first}. There are ${names.join(', ')}; see npm run ops -- --help`,
      )
  }
}

function dlqCommand(words: readonly string[], values: Options): Command {
  const [verb, topic] = words
  atMost(words, 2)
  const given = values.offset?.map(offsetOf)
  switch (verb) {
    case 'list':
      return { name: 'dlq list', topic }
    case 'show':
      return {
        name: 'dlq show',
        topic: named(topic, verb),
        chosen: given ?? 'all',
        bodies: values.bodies === true,
      }
    case 'resend':
      return { name: 'dlq resend', topic: named(topic, verb), chosen: given ?? 'all' }
    case 'drop':
      if (given === undefined && !values.all)
        throw new Refusal(
          'dlq drop needs --offset N for one dead letter, or --all: what is dropped does not come back',
        )
      return { name: 'dlq drop', topic: named(topic, verb), chosen: given ?? 'all' }
    default:
      throw new Refusal(
        `dlq needs one of list, show, resend, drop${verb === undefined ? '' : `, not ${verb}`}`,
      )
  }
}

function named(topic: string | undefined, verb: string): string {
  if (topic === undefined) throw new Refusal(`dlq ${verb} needs a TOPIC: npm run ops -- dlq list prints them`)
  return topic
}

function atMost(words: readonly string[], count: number): void {
  if (words.length > count)
    throw new Refusal(`${words[count]} is one word too many. See npm run ops -- --help`)
}

function offsetOf(text: string): number {
  const offset = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(offset))
    throw new Refusal(`--offset ${text} is no offset: it is a whole number, as dlq list prints it`)
  return offset
}

const unit_ms: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function timeOf(text: string, now: number): number {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  const time = count === undefined ? Date.parse(text) : now - Number(count) * unit_ms[unit!]!
  if (Number.isNaN(time) || (count === undefined && !/^\d{4}-\d\d-\d\d/.test(text)))
    throw new Refusal(
      `--from ${text} is no time: write 2026-05-04T10:00:00Z, or how long ago (90s, 30m, 2h, 7d)`,
    )
  if (time > now) throw new Refusal(`--from ${text} lies in the future`)
  return time
}
