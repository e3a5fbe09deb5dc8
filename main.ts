/**
 * The entry of every process of ours: `node dist/main.js --roles gateway,delivery` runs these roles,
 * `--setup` migrates the database and makes the topics, then exits.
 */
import { parseArgs } from 'node:util'
import type { RunningProcess } from './compose.js'
import { createLogger } from './infra/log/logger.js'
import { BusUnavailable } from './schemas/bus.js'
import { type Config, ConfigError, readConfig } from './schemas/config.js'
import { EngineRefused } from './schemas/engine-refused.js'
import type { ProcessLog } from './schemas/log.js'
import { stopLimit_ms } from './schemas/stopping.js'
import { allRoles, setUp } from './setup.js'

const readyPoll_ms = 50

/** What a supervisor is told over IPC; without one nobody listens. */
const tell = (message: object): void => {
  if (process.connected) process.send?.(message)
}

/** The roles asked for. @throws ConfigError that names an unknown one */
function rolesOf(config: Config, asked: string | undefined): readonly string[] {
  const names = asked === undefined ? config.ROLES : asked.split(',')
  const unknown = names.filter((name) => name !== 'all' && !allRoles.includes(name))
  if (unknown.length > 0)
    throw new ConfigError([
      `ROLES: there is no role ${unknown.join(', ')}; there are all, ${allRoles.join(', ')}`,
    ])
  return names.includes('all') ? allRoles : names
}

/** A supervisor there was, and it died. Whoever missed the event would wait for the brokers for ever. */
const isOrphan = (): boolean => process.send !== undefined && !process.connected

/** Runs the roles until a signal, or until the supervisor is gone. */
async function serve(config: Config, roles: readonly string[], log: ProcessLog): Promise<void> {
  let stopping = false
  let running: RunningProcess | undefined
  const onFenced = () => {
    log.error({}, 'a newer gateway has this id: exiting')
    process.exit(1)
  }
  const stop = (reason: string) => {
    if (stopping) return
    stopping = true
    log.info({ reason }, 'stopping')
    if (running === undefined) process.exit(0) // nothing was promised to anyone yet
    const drain_ms = roles.includes('gateway') ? config.DRAIN_MS : 0
    setTimeout(() => {
      log.error({ limit_ms: stopLimit_ms + drain_ms }, 'the stop took too long: exiting')
      process.exit(1)
    }, stopLimit_ms + drain_ms).unref()
    running.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error }, 'not stopped cleanly')
        process.exit(1)
      },
    )
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop(signal))
  process.on('disconnect', () => stop('the supervisor is gone'))
  if (isOrphan()) stop('the supervisor is gone')

  // Loaded only here: the setup needs a third of it.
  const { startProcess } = await import('./compose.js')
  const started = await startProcess(config, roles, log, onFenced)
  running = started
  const { addresses, metricsPort } = started
  if (addresses || metricsPort !== undefined)
    tell({ type: 'listening', tcp: addresses?.tcp, http: addresses?.http, metrics: metricsPort })
  const timer = setInterval(() => {
    if (!started.isReady()) return
    clearInterval(timer)
    void started.announce().finally(() => tell({ type: 'ready' }))
    log.info({}, 'ready')
  }, readyPoll_ms)
}

const usage = `node dist/main.js [options]

  --roles ROLE,ROLE   run these roles until a signal; default: the setting ROLES
  --setup             migrate the database and make the topics, then exit
  --help              this text

Roles: all, ${allRoles.join(', ')}
Settings are environment variables: docs/operate/configure.md has all of them.`

/** A command line that is not understood. */
class NotUnderstood extends Error {}

/** @throws NotUnderstood */
function readCommandLine() {
  const options = {
    roles: { type: 'string' },
    setup: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const
  try {
    return parseArgs({ options }).values
  } catch (error) {
    throw new NotUnderstood(`${(error as Error).message}\nSee node dist/main.js --help`)
  }
}

async function main(): Promise<void> {
  const values = readCommandLine()
  if (values.help) return console.log(usage)
  const config = readConfig(process.env)
  if (values.setup) {
    await setUp(config, createLogger('warn'), (line) => console.log(line))
    return
  }
  const roles = rolesOf(config, values.roles)
  await serve(
    config,
    roles,
    createLogger(config.LOG_LEVEL, { fields: { roles: values.roles ?? 'all' }, levels: config.LOG_LEVELS }),
  )
}

main().catch((error: unknown) => {
  // Where it is said what to do, nobody needs to know where in the code it was found.
  const isPlain =
    error instanceof ConfigError ||
    error instanceof EngineRefused ||
    error instanceof BusUnavailable ||
    error instanceof NotUnderstood
  const message = isPlain ? error.message : error instanceof Error ? error.stack : String(error)
  console.error(message)
  tell({ type: 'fault', message })
  process.exit(1)
})
