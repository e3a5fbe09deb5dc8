/** Starts the roles of a process on what is outside: with wiring.ts the only file that knows all rooms. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import type pg from 'pg'
import { createCertificate, measureCertificates } from './infra/certificate.js'
import { createSchedule } from './infra/cron.js'
import { createFileStore, createGateFiles } from './infra/files/store.js'
import { createBus, type MeasuredBus } from './infra/kafka/bus.js'
import { measureOutside, observeBus } from './infra/metrics/measures.js'
import { createMetrics, type ProcessMetrics } from './infra/metrics/metrics.js'
import { type OpsServer, startOpsServer } from './infra/metrics/ops-server.js'
import { createPartChecks } from './infra/metrics/parts.js'
import { readPageFiles } from './infra/page-files.js'
import { seekDatabase } from './infra/postgres/admission.js'
import { isEventFault, isTooMuch, remedyOf } from './infra/postgres/errors.js'
import { createUnusedFiles } from './infra/postgres/files.js'
import { createPool } from './infra/postgres/pool.js'
import { createPushAging } from './infra/postgres/pushes.js'
import { createRetention } from './infra/postgres/retention.js'
import { evictionWarning, evicts, seekRedis } from './infra/redis/admission.js'
import { createRedis } from './infra/redis/client.js'
import { watchClock } from './infra/redis/clock.js'
import { createWorkerHealth, startHeartbeats } from './infra/redis/heartbeats.js'
import { redisKeys } from './infra/redis/keys.js'
import { createEndedGates, createGateDirectory, createGateLease, nextEpoch } from './infra/redis/lease.js'
import { createLocks } from './infra/redis/locks.js'
import { createDevicePresence } from './infra/redis/presence.js'
import { createReportLedger } from './infra/redis/reports.js'
import { releaseVersion } from './infra/release.js'
import { createTokenSigner } from './infra/tokens.js'
import { createTracer } from './infra/tracing/tracer.js'
import type { Config } from './schemas/config.js'
import { databaseAddress } from './schemas/database-settings.js'
import type { ProcessLog } from './schemas/log.js'
import { redisAddress } from './schemas/redis-settings.js'
import { recordStyle } from './schemas/topic-settings.js'
import { allRoles, busSettings, isWanted, patiently, topicDelay } from './setup.js'
import { type Signals, workerPorts } from './wiring.js'
import { startFileSweep } from './workers/file-sweep.js'
import type { Frame } from './workers/kit/runner.js'
import { allWorkers, isWorkerRole, startWorkers, type WorkerRole, workerRoles } from './workers/main.js'
import { startPresenceSweep } from './workers/presence.js'
import { startPushAging } from './workers/push-aging.js'
import { startRetention } from './workers/retention.js'

/** What is outside, opened once per process; PostgreSQL only where a worker runs. */
interface Outside {
  readonly bus: MeasuredBus
  readonly redis: Redis
  readonly pool: pg.Pool | undefined
}

export interface RunningProcess {
  /** Of the gateway, where this process has one. */
  readonly addresses: { readonly tcp: number; readonly http: number } | undefined
  /** Where health and metrics are, with METRICS_PORT. */
  readonly metricsPort: number | undefined
  /** Every role of the process has its partitions and has fetched once. */
  isReady(): boolean
  /** Tells the others at once which roles work. */
  announce(): Promise<void>
  /** Drains the gateway, finishes the workers' batches, closes everything. */
  stop(): Promise<void>
}

async function openOutside(
  config: Config,
  needsDatabase: boolean,
  metrics: ProcessMetrics,
  { room }: ProcessLog,
): Promise<Outside> {
  const [ofKafka, ofRedis, ofPostgres] = [room('kafka'), room('redis'), room('postgres')]
  const address = redisAddress(config)
  const redis = createRedis(address, ofRedis)
  const pool = needsDatabase
    ? createPool(databaseAddress(config), config.DATABASE_POOL, ofPostgres)
    : undefined
  const settings = { ...busSettings(config, ofKafka), observer: observeBus(metrics) }
  const [bus] = await Promise.all([
    patiently('Kafka', ofKafka, () => createBus(settings)),
    patiently('Redis', ofRedis, async () => {
      const masters = await seekRedis(redis, address, config.TOPIC_PREFIX)
      for (const { evictionPolicy } of masters.filter(evicts).slice(0, 1))
        ofRedis.warn({}, evictionWarning(evictionPolicy))
    }),
    pool &&
      patiently('PostgreSQL', ofPostgres, async () => {
        for (const doubt of await seekDatabase(databaseAddress(config))) ofPostgres.warn({}, doubt)
      }),
  ])
  const outside = { bus, redis, pool }
  measureOutside(outside, metrics)
  return outside
}

/** What this process tells of itself, metrics as text included. */
interface ProcessSignals extends Signals {
  readonly metrics: ProcessMetrics
  readonly log: ProcessLog
}

/** Counts by batch, with the same labels each time. */
function observeBatches(metrics: ProcessMetrics): NonNullable<Frame['observe']> {
  const labels = Object.fromEntries(allWorkers.map(({ name }) => [name, { worker: name }]))
  return ({ worker, events, rejected, emitted, duration_ms, age_ms }) => {
    const own = labels[worker] ?? { worker }
    metrics.count('worker_events', own, events)
    metrics.count('worker_emitted', own, emitted)
    if (rejected > 0) metrics.count('dead_letters', own, rejected)
    metrics.observe('worker_batch_events', events, own)
    metrics.observe('worker_batch_duration_ms', duration_ms, own)
    metrics.observe('worker_event_age_ms', Math.max(0, age_ms), own)
  }
}

const workerFrame = (config: Config, { bus }: Outside, signals: ProcessSignals): Frame => ({
  bus,
  ...recordStyle(config),
  log: signals.log.room('workers'),
  isEventFault,
  isTooMuch,
  remedyOf,
  schedule: createSchedule(signals.log.room('workers')),
  ackFlushCron: config.ACK_FLUSH_CRON,
  delayOf: (topic) => topicDelay(config, topic),
  observe: observeBatches(signals.metrics),
  tracer: signals.tracer,
})

/** Without these nothing works; the business's webhooks are told later what they missed. */
const neededRoles = allRoles.filter((role) => role !== 'gateway' && role !== 'webhooks')

async function openGateway(
  config: Config,
  outside: Outside,
  { metrics, tracer, log: { room } }: ProcessSignals,
  onFenced: () => void,
) {
  const log = room('gateway')
  const { bus, redis } = outside
  const keys = redisKeys(config.TOPIC_PREFIX)
  const gate_id = config.GATE_ID ?? `gate-${hostname()}`.toLowerCase().replace(/[^a-z0-9-]/g, '-')
  const gate_epoch = await patiently('Redis', room('redis'), () => nextEpoch({ redis, keys }, gate_id))
  const identity = { gate_id, gate_epoch }
  const certificate =
    config.TLS_CERT && config.TLS_KEY ? createCertificate(config.TLS_CERT, config.TLS_KEY, log) : undefined
  const files = await createGateFiles(config, log)
  // Loaded only here: fastify and what belongs to it are a third of what a process loads, and workers need none of it.
  const { startGateway } = await import('./gateway/main.js')
  const gateway = await startGateway({
    config,
    identity,
    bus,
    lease: createGateLease({ redis, keys, identity, lease_ms: config.LEASE_MS }),
    presence: createDevicePresence({ redis, keys, identity, policy: config.LOGIN_POLICY }),
    directory: createGateDirectory({ redis, keys }),
    health: createWorkerHealth({ redis, keys }),
    reportLedger: createReportLedger({ redis, keys }),
    tokens: createTokenSigner(config.TOKEN_SECRET),
    files,
    neededRoles,
    metrics,
    tracer,
    exposition: metrics.exposition,
    chatFiles: config.PROFILE === 'local' ? readPageFiles(join(import.meta.dirname, 'chat')) : undefined,
    certificate,
    log,
    onFenced,
  })
  const stop = async (): Promise<void> => {
    await gateway.stop()
    certificate?.stop()
    files.store.close()
  }
  return { ...gateway, certificate, stop }
}

/** A part of the process that can be asked whether it works. */
interface Part {
  readonly role: string
  isReady(): boolean
  stop(): Promise<void>
}

const byRole = (running: readonly { name: string; isReady(): boolean }[], role: WorkerRole) =>
  running.filter(({ name }) => workerRoles[role].some((worker) => worker.name === name))

/** Starts the workers and the presence sweep of these roles. */
async function startWorkerRoles(
  config: Config,
  roles: readonly string[],
  outside: Outside,
  signals: ProcessSignals,
): Promise<Part[]> {
  const { bus, redis, pool } = outside
  const { metrics } = signals
  const frame = workerFrame(config, outside, signals)
  const { log } = frame
  const keys = redisKeys(config.TOPIC_PREFIX)
  const workers = roles.filter(isWorkerRole).filter((role) => isWanted(config, role))
  const running = pool
    ? await startWorkers(
        workers,
        workerPorts(config, workers, redis, pool, {
          ...signals,
          log: signals.log.room('outside'),
        }),
        frame,
      )
    : []
  // A counter that begins with its first event hides it: only what was there before can have increased.
  for (const { name } of running) metrics.count('dead_letters', { worker: name }, 0)
  const parts: Part[] = workers.map((role) => {
    const mine = byRole(running, role)
    return {
      role,
      isReady: () => mine.every((each) => each.isReady()),
      stop: async () =>
        void (await Promise.all(running.filter((each) => mine.includes(each)).map((each) => each.stop()))),
    }
  })
  if (pool && workers.includes('files')) {
    const unused = createUnusedFiles(pool)
    const settings = {
      unused,
      store: await createFileStore(config),
      locks: createLocks({ redis, keys }),
      config,
    }
    parts.push({ role: 'file-sweep', ...startFileSweep({ ...settings, schedule: frame.schedule, log }) })
    const { locks } = settings
    const retention = createRetention(pool)
    const aging = { retention, locks, config, metrics, schedule: frame.schedule, log }
    parts.push({ role: 'retention', ...startRetention(aging) })
  }
  if (pool && roles.includes('s2c-push')) {
    const { schedule } = frame
    const [aging, locks] = [createPushAging(pool), createLocks({ redis, keys })]
    const { stop } = await startPushAging({ ...recordStyle(config), aging, locks, bus, schedule, log })
    parts.push({ role: 'push-aging', isReady: () => true, stop })
  }
  if (roles.includes('presence')) {
    const sweep = await startPresenceSweep({
      ended: createEndedGates({ redis, keys, policy: config.LOGIN_POLICY }),
      locks: createLocks({ redis, keys }),
      bus,
      ...recordStyle(config),
      lease_ms: config.LEASE_MS,
      schedule: frame.schedule,
      log,
    })
    parts.push({ role: 'presence', ...sweep })
  }
  return parts
}

/** What the process says of itself, as far as it has come. */
interface Life {
  isReady: () => boolean
  parts: () => Promise<Readonly<Record<string, { readonly ok: boolean }>>>
}

/** Health and metrics on a port of their own, where one is set. */
async function startOps(config: Config, metrics: ProcessMetrics, life: Life): Promise<OpsServer | undefined> {
  metrics.gauge('build', () => [[{ version: releaseVersion(), node: process.version }, 1]])
  if (config.METRICS_PORT === undefined) return undefined
  return startOpsServer({
    host: config.METRICS_HOST ?? config.HOST,
    port: config.METRICS_PORT,
    isReady: () => life.isReady(),
    parts: () => life.parts(),
    exposition: metrics.exposition,
  })
}

/**
 * Starts these roles in this process.
 * @param onFenced a newer gateway has this one's id: the process should end
 */
export async function startProcess(
  config: Config,
  roles: readonly string[],
  log: ProcessLog,
  onFenced: () => void,
): Promise<RunningProcess> {
  const metrics = createMetrics()
  const life: Life = { isReady: () => false, parts: async () => ({}) }
  // First of all: who looks after the process sees it start.
  const ops = await startOps(config, metrics, life)
  const spans = await createTracer(config, roles, metrics, log.room('tracing'))
  const signals = { metrics, tracer: spans.tracer, log }
  const outside = await openOutside(config, roles.some(isWorkerRole), metrics, log)
  const { bus, redis, pool } = outside
  life.parts = createPartChecks(outside)
  const [parts, gateway] = await Promise.all([
    startWorkerRoles(config, roles, outside, signals),
    roles.includes('gateway') ? openGateway(config, outside, signals, onFenced) : undefined,
  ])
  const heartbeats = startHeartbeats({
    redis,
    keys: redisKeys(config.TOPIC_PREFIX),
    process: `${hostname()}-${process.pid}`,
    roles: () => parts.filter((part) => part.isReady()).map((part) => part.role),
    ...(pool === undefined ? {} : { database: async () => (await pool.query('SELECT 1')).rowCount === 1 }),
    log: log.room('redis'),
  })
  const clock = watchClock(redis, log.room('redis'))
  metrics.gauge('clock_ahead_ms', clock.ahead)
  const { KAFKA_TLS_CERT, DATABASE_TLS_CERT, REDIS_TLS_CERT } = config
  measureCertificates(gateway?.certificate, { KAFKA_TLS_CERT, DATABASE_TLS_CERT, REDIS_TLS_CERT }, metrics)
  const isReady = () => !stopping && parts.every((part) => part.isReady()) && (gateway?.isReady() ?? true)
  let stopping = false
  life.isReady = isReady
  const all = gateway ? [...parts, { role: 'gateway', isReady: gateway.isReady }] : parts
  metrics.gauge('role_ready', () => all.map((part) => [{ role: part.role }, part.isReady() ? 1 : 0]))
  return {
    addresses: gateway && { tcp: gateway.ports.tcp, http: gateway.ports.http },
    metricsPort: ops?.port,
    isReady,
    announce: heartbeats.beatNow,
    async stop() {
      stopping = true
      await gateway?.stop()
      // Gateways count on others of its roles before it leaves them.
      await heartbeats.stop()
      await Promise.all(parts.map((part) => part.stop()))
      clock.stop()
      await spans.stop()
      await ops?.stop()
      await bus.close()
      await pool?.end()
      redis.disconnect()
    },
  }
}
