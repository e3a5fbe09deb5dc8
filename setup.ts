/** The brokers, and what has to be there on them and in the database before any role starts. */
import { hostname } from 'node:os'
import { type BusSettings, createBus } from './infra/kafka/bus.js'
import { createInspection } from './infra/kafka/inspection.js'
import { migrate, storeSessionSettings } from './infra/postgres/migrate.js'
import { engineTls } from './infra/tls-files.js'
import { topicFindings } from './ops/doctor/topics.js'
import { BusRefused, type TopicSettings } from './schemas/bus.js'
import type { Config } from './schemas/config.js'
import { migrationAddress } from './schemas/database-settings.js'
import { EngineRefused } from './schemas/engine-refused.js'
import { minInSyncReplicas } from './schemas/kafka-settings.js'
import type { Logger } from './schemas/log.js'
import { type AnyTopic, deadLetterSettings, fullName, topicSettings, topics } from './schemas/topics.js'
import { tellsEvents } from './schemas/webhook-settings.js'
import type { AnyWorker } from './workers/kit/worker.js'
import { allWorkers, type WorkerRole, workerRoles } from './workers/main.js'

/** Every role that there is. */
export const allRoles: readonly string[] = ['gateway', ...Object.keys(workerRoles), 'presence']

/**
 * How the brokers are reached.
 * @throws ConfigError where a file that is named cannot be used
 */
export const busSettings = (config: Config, log: Logger): BusSettings => ({
  brokers: config.KAFKA_BROKERS,
  tls: config.KAFKA_TLS
    ? engineTls('KAFKA_TLS', {
        ca: config.KAFKA_TLS_CA,
        cert: config.KAFKA_TLS_CERT,
        key: config.KAFKA_TLS_KEY,
        servername: config.KAFKA_TLS_SERVERNAME,
      })
    : undefined,
  ...(config.KAFKA_SASL_MECHANISM === undefined
    ? {}
    : {
        sasl: {
          mechanism: config.KAFKA_SASL_MECHANISM,
          username: config.KAFKA_SASL_USERNAME ?? '',
          password: config.KAFKA_SASL_PASSWORD ?? '',
        },
      }),
  clientId: `coffeechat-${hostname()}-${process.pid}`,
  prefix: config.TOPIC_PREFIX,
  replication: config.TOPIC_REPLICATION,
  minInSync: minInSyncReplicas(config),
  log,
})

/** Whether a role has anything to do under these settings. */
export const isWanted = (config: Config, role: string): boolean => role !== 'webhooks' || tellsEvents(config)

/** The workers that these settings want. */
export const workersOf = (config: Config): readonly AnyWorker[] =>
  (Object.keys(workerRoles) as WorkerRole[])
    .filter((role) => isWanted(config, role))
    .flatMap((role): readonly AnyWorker[] => workerRoles[role])

/** What has to be there: all topics of the catalogue but the gates' own, and the dead letters of each worker. */
export function allTopics(config: Config): TopicSettings[] {
  const { TOPIC_PREFIX: prefix, TOPIC_PARTITIONS: partitions } = config
  const workers = workersOf(config)
  const idle: readonly AnyTopic[] = allWorkers
    .filter((each) => !workers.includes(each))
    .map((each) => each.consumes)
  const catalogue: AnyTopic[] = Object.values(topics).filter(
    (each: AnyTopic) => each !== topics.gateOutbound && (each.external !== undefined || !idle.includes(each)),
  )
  return [
    ...catalogue.map((each) => topicSettings(each, prefix, partitions)),
    ...workers.map((worker) => deadLetterSettings(worker.consumes, worker.name, prefix)),
  ]
}

/** Delay of a topic whose records fall due later, ms. */
export function topicDelay(config: Config, { delay, delays }: AnyTopic): number | undefined {
  if (delay === undefined) return undefined
  if (delays === 'webhook') return config.WEBHOOK_RETRY_DELAYS_MS[delay]
  if (delays === 'push') return config.PUSH_RETRY_DELAYS_MS[delay]
  return (delays === 'robot' ? config.ROBOT_RETRY_DELAYS_MS : config.DELIVERY_CHECK_DELAYS_MS)[delay]
}

const retry_ms = 250
/** Parts that start with us take this long at the most; then somebody wants to know what we wait for. */
const tellAfter_ms = 10_000

/**
 * Parts that are not up yet are waited for: they may start later than we do.
 * @throws what went wrong last, after `limit_ms`; at once what waiting does not help
 */
export async function patiently<T>(
  what: string,
  log: Logger,
  attempt: () => Promise<T>,
  limit_ms = Number.POSITIVE_INFINITY,
): Promise<T> {
  const begun = Date.now()
  for (let told = false; ; await new Promise((resolve) => setTimeout(resolve, retry_ms)))
    try {
      return await attempt()
    } catch (error) {
      const waited_ms = Date.now() - begun
      if (waited_ms > limit_ms || error instanceof EngineRefused) throw error
      if (told || waited_ms < tellAfter_ms) continue
      log.warn({ error }, `waiting for ${what}`)
      told = true
    }
}

const brokersWithin_ms = 60_000

/** ['0001_a.sql', …, '0009_c.sql'] → "migrated (9, 0001_a.sql to 0009_c.sql)" */
const migratedBy = (ran: readonly string[]): string =>
  ran.length > 2 ? `migrated (${ran.length}, ${ran[0]} to ${ran.at(-1)})` : `migrated (${ran.join(', ')})`

/** Migrations and topics: what must be there before any role starts. `say` gets a line per step. */
export async function setUp(config: Config, log: Logger, say: (line: string) => void): Promise<void> {
  const brokers = busSettings(config, log)
  const ran = await migrate(migrationAddress(config), log)
  if (config.DATABASE_POOLER)
    await storeSessionSettings(
      migrationAddress(config),
      decodeURIComponent(new URL(config.DATABASE_URL).username),
    )
  say(`database: ${ran.length === 0 ? 'up to date' : migratedBy(ran)}`)
  const bus = await patiently('Kafka', log, () => createBus(brokers), brokersWithin_ms)
  try {
    const wanted = allTopics(config)
    const made = await bus.ensureTopics(wanted)
    say(`topics: ${made.length === 0 ? 'all there' : `${made.length} made`}`)
    const former = wanted.filter(({ name }) => !made.includes(name))
    if (former.length > 0) await checkTopics(config, former, log, say)
    await beginWebhooks(config, log)
  } finally {
    await bus.close()
  }
}

const doubtsShown = 3

/**
 * Topics that were there before: somebody may have made or changed them otherwise.
 * @throws BusRefused where events would be lost
 */
async function checkTopics(
  config: Config,
  topics: readonly TopicSettings[],
  log: Logger,
  say: (line: string) => void,
): Promise<void> {
  const inspection = await createInspection(busSettings(config, log))
  try {
    const copies = { replication: config.TOPIC_REPLICATION, minInSync: minInSyncReplicas(config) }
    const layouts = await inspection.layouts(topics.map(({ name }) => name))
    const findings = topicFindings(topics, layouts, copies)
    const faults = findings.filter(({ verdict }) => verdict === 'wrong')
    const doubts = findings.filter(({ verdict }) => verdict === 'doubtful')
    for (const { says, remedy } of doubts.slice(0, doubtsShown)) say(`topics: ${says} (${remedy})`)
    if (doubts.length > doubtsShown)
      say(`topics: ${doubts.length - doubtsShown} more like that: npm run ops -- doctor`)
    if (faults.length > 0)
      throw new BusRefused(
        faults.map(({ says }) => says).join('; '),
        faults.map(({ remedy }) => remedy).join('; '),
      )
  } finally {
    await inspection.close()
  }
}

/** A webhook that is set for the first time is told what happens from now on, not all that the topics still hold. */
async function beginWebhooks(config: Config, log: Logger): Promise<void> {
  if (!isWanted(config, 'webhooks')) return
  const inspection = await createInspection(busSettings(config, log))
  try {
    for (const { name, consumes } of workerRoles.webhooks) {
      const [group, topic] = [config.TOPIC_PREFIX + name, fullName(config.TOPIC_PREFIX, consumes)]
      // Brokers that have just started do not know yet which of them looks after the group.
      await patiently(`group ${group}`, log, async () => {
        if ((await inspection.committed(group, topic)).size > 0) return
        const ends = await inspection.ends(topic)
        await inspection.moveGroup(
          group,
          topic,
          new Map(ends.map(({ partition, high }) => [partition, high])),
        )
      })
    }
  } finally {
    await inspection.close()
  }
}
