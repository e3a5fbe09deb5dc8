/** The ports of the workers, on PostgreSQL and Redis. */
import type { Redis } from 'ioredis'
import type pg from 'pg'
import { measurePushes } from './infra/metrics/measures.js'
import { createContactChanges, createContactDirectory } from './infra/postgres/contacts.js'
import { createAckStore, createDeliveryStates, createMessageReader } from './infra/postgres/deliveries.js'
import { createDeviceStore, createKnownDevices, createPhoneSource } from './infra/postgres/devices.js'
import { createGroupFanout } from './infra/postgres/fanout.js'
import { createFileChanges, createFileDirectory, createFileMentions } from './infra/postgres/files.js'
import { createGroupChanges } from './infra/postgres/group-changes.js'
import { createGroupDirectory } from './infra/postgres/groups.js'
import { createMessageHistory } from './infra/postgres/history.js'
import { createMessageStore } from './infra/postgres/messages.js'
import { createOrgDirectory, createOrgImports } from './infra/postgres/org.js'
import { createGroupNames, createPushTargets } from './infra/postgres/push.js'
import { createPushLedger } from './infra/postgres/push-ledger.js'
import { createPushRecords } from './infra/postgres/push-records.js'
import { createPushes, createPushStatuses } from './infra/postgres/pushes.js'
import { createReadMarks } from './infra/postgres/reads.js'
import { createReceipts } from './infra/postgres/receipts.js'
import { createRobotDirectory } from './infra/postgres/robots.js'
import { createSentMessages } from './infra/postgres/sent-messages.js'
import { createSessionChanges } from './infra/postgres/session-changes.js'
import { createSessionLists } from './infra/postgres/sessions.js'
import { createTimelines } from './infra/postgres/timelines.js'
import { createNickNames, createUserChanges, createUserDirectory } from './infra/postgres/users.js'
import { createWebhookQueue } from './infra/postgres/webhook-queue.js'
import { createNotifier } from './infra/push/notifier.js'
import { createPushProviders } from './infra/push/providers.js'
import { createPendingAcks } from './infra/redis/acks.js'
import { createLoginFailures } from './infra/redis/failures.js'
import { redisKeys } from './infra/redis/keys.js'
import { createOnlineUsers } from './infra/redis/online.js'
import { createPhones, forgettingPhones } from './infra/redis/phones.js'
import { createPresence } from './infra/redis/presence.js'
import { createPushRates } from './infra/redis/push-rates.js'
import { withWaitingAcks } from './infra/redis/waiting-acks.js'
import { createRobotCaller } from './infra/robots/webhook.js'
import { createTokenSigner } from './infra/tokens.js'
import { createBeforeSend } from './infra/webhooks/before-send.js'
import { createEventSink } from './infra/webhooks/events.js'
import type { Config } from './schemas/config.js'
import type { Logger } from './schemas/log.js'
import type { Metrics } from './schemas/metrics.js'
import type { Tracer } from './schemas/tracer.js'
import { addressFor, webhookKinds } from './schemas/webhook-settings.js'
import type { WorkerPorts, WorkerRole } from './workers/main.js'
import type { Notifier } from './workers/ports/push.js'
import type { BeforeSend, EventSink } from './workers/ports/webhooks.js'

/** By how much a delivery check may come late and still find flushed acks in Redis. */
const checkSlack_ms = 2_000

/** What a process tells of itself. */
export interface Signals {
  readonly metrics: Metrics
  readonly tracer: Tracer
  readonly log: Logger
}

/** Providers' keys are read only where they are needed. */
const createPushNotifier = (
  config: Config,
  roles: readonly WorkerRole[],
  { log, tracer }: Signals,
): Notifier =>
  roles.includes('offline-push')
    ? createNotifier({ providers: createPushProviders(config, log), fallback: config.PUSH_PROVIDER, tracer })
    : { notify: () => Promise.reject(new Error('this process notifies nobody')) }

/** Where notifications go and are noted, counted by the providers that are set up. */
function pushPorts(config: Config, roles: readonly WorkerRole[], pool: pg.Pool, signals: Signals) {
  const notifier = createPushNotifier(config, roles, signals)
  const ports = { pushLedger: createPushLedger(pool), notifier }
  const providers = new Set(['apns', 'fcm', 'webhook', 'log', ...config.PUSH_PROVIDERS.keys()])
  return measurePushes(ports, providers, signals.metrics)
}

const createBeforeSendHook = (config: Config, { metrics, tracer, log }: Signals): BeforeSend | undefined =>
  config.WEBHOOK_BEFORE_SEND_URL === undefined
    ? undefined
    : createBeforeSend({
        url: config.WEBHOOK_BEFORE_SEND_URL,
        secret: config.WEBHOOK_BEFORE_SEND_SECRET,
        timeout_ms: config.WEBHOOK_BEFORE_SEND_TIMEOUT_MS,
        onFailure: config.WEBHOOK_BEFORE_SEND_ON_FAILURE,
        maxMessageBytes: config.MAX_MESSAGE_BYTES,
        tracer,
        log,
        observe(verdict, ms) {
          metrics.count('webhook_before_send', { verdict })
          metrics.observe('webhook_before_send_duration_ms', ms)
        },
      })

function createEventHook(config: Config, { metrics, tracer, log }: Signals): EventSink {
  const sink = createEventSink({
    addressFor: (kind) => addressFor(config, kind),
    secret: config.WEBHOOK_EVENTS_SECRET,
    timeout_ms: config.WEBHOOK_EVENTS_TIMEOUT_MS,
    tracer,
    log,
    observe(kind, outcome, ms) {
      metrics.count('webhook_events', { kind, outcome })
      if (outcome !== 'not-called') metrics.observe('webhook_events_duration_ms', ms)
    },
  })
  const told = webhookKinds.filter((kind) => addressFor(config, kind) !== undefined)
  metrics.gauge('webhook_away', () => told.map((kind) => [{ kind }, sink.isAway(kind) ? 1 : 0]))
  return sink
}

/** What decides who is to get a message: who is online, who has acked and read it, and how old it is. */
export function deliveryPorts(config: Config, redis: Redis, pool: pg.Pool) {
  const keys = redisKeys(config.TOPIC_PREFIX)
  const policy = config.LOGIN_POLICY
  const presence = createPresence({ redis, keys, policy })
  return {
    presence,
    phones: createPhones({ redis, keys, source: createPhoneSource(pool) }),
    states: createDeliveryStates(pool),
    pending: createPendingAcks({
      redis,
      keys,
      lanes: config.TOPIC_PARTITIONS,
      shown_ms: (config.DELIVERY_CHECK_DELAYS_MS[0] ?? 0) + checkSlack_ms,
      presence,
      policy,
    }),
    now: Date.now,
    delays_ms: config.DELIVERY_CHECK_DELAYS_MS,
    maxAge_ms: config.DELIVERY_MAX_AGE_MS,
  }
}

/** The ports of all workers, on PostgreSQL and Redis. */
export function workerPorts(
  config: Config,
  roles: readonly WorkerRole[],
  redis: Redis,
  pool: pg.Pool,
  signals: Signals,
): WorkerPorts {
  const keys = redisKeys(config.TOPIC_PREFIX)
  const delivery = deliveryPorts(config, redis, pool)
  return {
    ...delivery,
    beforeSend: createBeforeSendHook(config, signals),
    eventSink: createEventHook(config, signals),
    webhookQueue: createWebhookQueue(pool),
    webhookRetries: config.WEBHOOK_RETRIES,
    webhookMaxAge_ms: config.WEBHOOK_EVENTS_MAX_AGE_MS,
    store: createMessageStore(pool, config.STRANGER_POLICY),
    fanout: createGroupFanout(pool),
    messages: createMessageReader(pool),
    acks: createAckStore(pool, config.RECEIPTS_DELIVERED),
    devices: forgettingPhones(createDeviceStore(pool), delivery.phones),
    failures: createLoginFailures({ redis, keys }),
    users: createUserDirectory(pool),
    nickNames: config.SEND_NICK_NAME ? createNickNames(pool) : { of: async () => new Map() },
    userChanges: createUserChanges(pool),
    files: createFileDirectory(pool),
    fileChanges: createFileChanges(pool, {
      dailyBytes: config.FILE_USER_DAILY_BYTES,
      longest_ms: config.FILE_UPLOAD_TIMEOUT_MS,
    }),
    fileMentions: createFileMentions(pool),
    groups: createGroupDirectory(pool),
    groupChanges: createGroupChanges(pool, { writeDiffusionMax: config.GROUP_WRITE_DIFFUSION_MAX }),
    groupLimits: config,
    contacts: createContactDirectory(pool, config.STRANGER_POLICY),
    contactChanges: createContactChanges(pool),
    org: createOrgDirectory(pool),
    orgImports: createOrgImports(pool),
    tokens: createTokenSigner(config.TOKEN_SECRET),
    minClientVersion: config.MIN_CLIENT_VERSION,
    sessionLists: createSessionLists(pool),
    history: createMessageHistory(pool),
    receipts: withWaitingAcks(createReceipts(pool), createKnownDevices(pool), delivery.pending),
    sentMessages: createSentMessages(pool),
    timelines: createTimelines(pool),
    pullLimits: config,
    reads: createReadMarks(pool),
    sessionChanges: createSessionChanges(pool),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    pushTargets: createPushTargets(pool),
    pushRecords: createPushRecords(pool),
    groupNames: createGroupNames(pool),
    ...pushPorts(config, roles, pool, signals),
    pushRates: createPushRates({ redis, keys, perMinute: config.PUSH_RATE_PER_MINUTE }),
    pushPreview: config.PUSH_PREVIEW,
    pushDelays_ms: config.PUSH_RETRY_DELAYS_MS,
    pushRetries: config.PUSH_RETRIES,
    robots: createRobotDirectory(pool),
    robotCaller: createRobotCaller({ maxMessageBytes: config.MAX_MESSAGE_BYTES, tracer: signals.tracer }),
    pushes: createPushes(pool),
    pushStatuses: createPushStatuses(pool),
    online: createOnlineUsers({ redis, keys }),
    pushKept_ms: config.PUSH_STORE_MS,
  }
}
