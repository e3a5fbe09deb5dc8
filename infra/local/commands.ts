/** The command line of `npm start`. */
import { parseArgs } from 'node:util'
import { CannotStart } from './terminal.js'

export interface Command {
  processes: boolean
  expose: boolean
  install: boolean
  help: boolean
}

const options = {
  processes: { type: 'boolean', default: false },
  expose: { type: 'boolean', default: false },
  install: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false, short: 'h' },
} as const

/**
 * @param env npm tells here what it took for options of its own
 * @throws CannotStart on an option that there is not, and on one that npm has taken
 */
export function readCommand(argv: string[], env: NodeJS.ProcessEnv): Command {
  const taken = ['processes', 'expose', 'install'].find((name) => env[`npm_config_${name}`] === 'true')
  if (taken !== undefined)
    throw new CannotStart(`npm took --${taken} for itself. Two dashes pass it on: npm start -- --${taken}`)
  try {
    return parseArgs({ args: argv, options, strict: true }).values
  } catch (error) {
    throw new CannotStart(`${(error as Error).message}\nSee npm start -- --help`)
  }
}

/** @param settings one line per environment variable */
export const help = (settings: string): string => `npm start [-- options]

Starts Kafka, PostgreSQL and Redis, then CoffeeChat on them. Ctrl-C stops everything; the data stay in DATA_DIR.

  --processes   a gateway and each worker role as processes of their own
  --expose      allow a HOST beyond loopback; no demo users then
  --install     fetch Java and Maven with apt-get (Debian or Ubuntu, as root)
  --help        this text

Environment variables (also read from .env), each with its default:
${settings}
`
