/** The operator's commands: `node dist/ops.js topics`, or `npm run ops -- topics` in a checkout. */
import { resolve } from 'node:path'
import { examineDisks } from './infra/files/room.js'
import { createBus } from './infra/kafka/bus.js'
import { createInspection } from './infra/kafka/inspection.js'
import { localFilePath, readLocalFile } from './infra/local/folder.js'
import { createLogger } from './infra/log/logger.js'
import { examineDatabase } from './infra/postgres/examine.js'
import { createPool } from './infra/postgres/pool.js'
import { createRestoredDatabase } from './infra/postgres/restored.js'
import { createPushProviders } from './infra/push/providers.js'
import { reach } from './infra/reach.js'
import { createRedis } from './infra/redis/client.js'
import { examineRedis } from './infra/redis/examine.js'
import { type Command, help, readCommandLine } from './ops/command-line.js'
import type { Operation } from './ops/consumer-groups.js'
import { dlq } from './ops/dlq.js'
import { doctor, type Endpoint, reportOf } from './ops/doctor/doctor.js'
import { probe } from './ops/doctor/probe.js'
import { faultyConfig } from './ops/doctor/settings.js'
import { forecastDelivery } from './ops/forecast-delivery.js'
import { Refusal } from './ops/refusal.js'
import { type Forecasters, replay } from './ops/replay.js'
import type { Report } from './ops/report.js'
import { renumber, restored } from './ops/restored.js'
import { skip } from './ops/skip.js'
import { topicLag } from './ops/topic-lag.js'
import { type Config, ConfigError, readConfig } from './schemas/config.js'
import { databaseAddress } from './schemas/database-settings.js'
import type { Logger } from './schemas/log.js'
import { redisAddress } from './schemas/redis-settings.js'
import { allTopics, busSettings, topicDelay, workersOf } from './setup.js'
import { deliveryPorts } from './wiring.js'
import { delivery } from './workers/delivery.worker.js'

/** What cannot be reached is said once, as the error of the command. */
const quiet: Logger = createLogger('silent')

/** The addresses of a running `npm start`, where the environment names none. */
function environment(): NodeJS.ProcessEnv {
  const { env } = process
  const missing = ['KAFKA_BROKERS', 'DATABASE_URL', 'REDIS_URL'].filter((name) => !env[name])
  if (missing.length === 0) return env
  const dataDir = resolve(env.DATA_DIR || '.data')
  const local = readLocalFile(dataDir)
  if (local === undefined)
    throw new Refusal(
      `${missing.join(', ')}: not set, and ${localFilePath(dataDir)} is not there either.\n` +
        'Start the stack with npm start, point DATA_DIR to its folder, or set the addresses of yours.',
    )
  const found = { KAFKA_BROKERS: local.kafka, DATABASE_URL: local.postgres, REDIS_URL: local.redis }
  return { ...env, ...Object.fromEntries(missing.map((name) => [name, found[name as keyof typeof found]])) }
}

/** Runs `work` with the bus as an operator sees it, and closes what it opened. */
async function onBus<T>(config: Config, work: (operation: Operation) => Promise<T>): Promise<T> {
  const bus = await createInspection(busSettings(config, quiet))
  const groups = workersOf(config).map(({ name, consumes }) => ({
    name,
    topic: consumes,
    delay_ms: topicDelay(config, consumes),
  }))
  try {
    return await work({ bus, prefix: config.TOPIC_PREFIX, groups, now: Date.now })
  } finally {
    await bus.close()
  }
}

async function runDlq(command: Extract<Command, { name: `dlq ${string}` }>, config: Config): Promise<Report> {
  return onBus(config, async (operation) => {
    const bus = await createBus(busSettings(config, quiet))
    try {
      return await dlq(command, operation, await bus.producer('ops'))
    } finally {
      await bus.close()
    }
  })
}

/** The delivery worker with its real ports. */
async function runReplay(
  command: Extract<Command, { name: 'replay' }>,
  config: Config,
  json: boolean,
): Promise<Report> {
  const redis = createRedis(redisAddress(config), quiet)
  const pool = createPool(databaseAddress(config), 2, quiet)
  const ports = deliveryPorts(config, redis, pool)
  const forecasters: Forecasters = {
    [delivery.name]: () =>
      forecastDelivery({
        load: (events) => delivery.load!(events as never, ports, []),
        decide: (event, loaded, appended) =>
          delivery.decide(event as never, loaded as never, { topic: '', partition: 0, offset: 0, appended }),
      }),
  }
  const say = (lines: readonly string[]) => {
    if (!json) console.log(lines.join('\n'))
  }
  try {
    return await onBus(config, (operation) => replay(command, operation, forecasters, say))
  } finally {
    await pool.end()
    redis.disconnect()
  }
}

/** Every address outside that is in use. */
function endpointsOf(config: Config): Endpoint[] {
  const all: Endpoint[] = Object.entries(config).flatMap(([setting, url]) =>
    /_URL$/.test(setting) && typeof url === 'string' && /^https?:/.test(url) ? [{ setting, url }] : [],
  )
  const unused = [
    ...(config.APNS_KEY_FILE === undefined ? ['APNS_URL'] : []),
    ...(config.FCM_SERVICE_ACCOUNT_FILE === undefined ? ['FCM_URL'] : []),
  ]
  return all.filter(({ setting }) => !unused.includes(setting))
}

async function runDoctor(env: NodeJS.ProcessEnv): Promise<Report> {
  let config: Config
  try {
    config = readConfig(env)
    // Reads the files of keys that settings name.
    createPushProviders(config, quiet)
    busSettings(config, quiet)
  } catch (error) {
    if (error instanceof ConfigError) return reportOf(faultyConfig(error.faults))
    throw error
  }
  return doctor(env, config, {
    onBus: (work) => onBus(config, work),
    async probe(operation) {
      const bus = await createBus(busSettings(config, quiet))
      try {
        return await probe(operation, bus, config.TOPIC_PREFIX)
      } finally {
        await bus.close()
      }
    },
    database: () => examineDatabase(databaseAddress(config)),
    redis: () => examineRedis(redisAddress(config), config.TOPIC_PREFIX, quiet),
    disks: () => examineDisks(config),
    connect: reach,
    expectedTopics: allTopics(config),
    endpoints: endpointsOf(config),
  })
}

async function run(command: Command, json: boolean): Promise<Report> {
  if (command.name === 'help') return { json: { help }, text: [help] }
  if (command.name === 'doctor') return runDoctor(environment())
  const config = readConfig(environment())
  switch (command.name) {
    case 'topics':
      return onBus(config, topicLag)
    case 'replay':
      return runReplay(command, config, json)
    case 'skip':
      return onBus(config, (operation) => skip(command, operation))
    case 'restored':
    case 'renumber': {
      const database = createRestoredDatabase(config.DATABASE_URL)
      return onBus(config, (operation) =>
        command.name === 'restored' ? restored(command, operation, database) : renumber(operation, database),
      )
    }
    default:
      return runDlq(command, config)
  }
}

function fail(error: unknown, json: boolean, exitCode: number): never {
  const message = error instanceof Error ? error.message : String(error)
  console.error(json ? JSON.stringify({ error: message }) : message)
  process.exit(exitCode)
}

const argv = process.argv.slice(2)
const wantsJson = argv.includes('--json')
const notUnderstood = 2

/** What is asked. Ends the process where that is not understood. */
function asked() {
  try {
    return readCommandLine(argv, Date.now())
  } catch (error) {
    return fail(error, wantsJson, notUnderstood)
  }
}

const { command, json } = asked()
run(command, json).then(
  (report) => {
    console.log(json ? JSON.stringify(report.json) : report.text.join('\n'))
    process.exit(report.exitCode ?? 0)
  },
  (error: unknown) => {
    const isExpected = error instanceof Refusal || error instanceof ConfigError
    if (!isExpected && error instanceof Error)
      fail(new Error(`${command.name} failed: ${error.message}`), json, 1)
    fail(error, json, 1)
  },
)
