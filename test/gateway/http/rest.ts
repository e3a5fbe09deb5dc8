/**
 * The REST API with the workers that answer it, on the real PostgreSQL and Redis. What lies between them, the bus, is
 * a function call here: the tests of the bus and the end-to-end tests have the real one.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { FastifyInstance } from 'fastify'
import type pg from 'pg'
import type { HttpContext } from '../../../gateway/context.js'
import { createApi } from '../../../gateway/http/server.js'
import type { ReportLedger } from '../../../gateway/ports.js'
import { createReports } from '../../../gateway/reports.js'
import { createTargets, type Targets } from '../../../gateway/targets.js'
import { createAddressSigner } from '../../../infra/files/address-signer.js'
import { createFolderStore } from '../../../infra/files/folder.js'
import { createThumbnails } from '../../../infra/files/thumbnails.js'
import { createMetrics } from '../../../infra/metrics/metrics.js'
import { createContactChanges, createContactDirectory } from '../../../infra/postgres/contacts.js'
import { createFileChanges, createFileDirectory, createFileMentions } from '../../../infra/postgres/files.js'
import { createGroupChanges } from '../../../infra/postgres/group-changes.js'
import { createGroupDirectory } from '../../../infra/postgres/groups.js'
import { createMessageHistory } from '../../../infra/postgres/history.js'
import { createMessageStore } from '../../../infra/postgres/messages.js'
import { createOrgDirectory, createOrgImports } from '../../../infra/postgres/org.js'
import { createPool } from '../../../infra/postgres/pool.js'
import { createPushRecords } from '../../../infra/postgres/push-records.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { createReceipts } from '../../../infra/postgres/receipts.js'
import { createRobotDirectory } from '../../../infra/postgres/robots.js'
import { createSentMessages } from '../../../infra/postgres/sent-messages.js'
import { createSessionChanges } from '../../../infra/postgres/session-changes.js'
import { createSessionLists } from '../../../infra/postgres/sessions.js'
import { createTimelines } from '../../../infra/postgres/timelines.js'
import { createNickNames, createUserChanges, createUserDirectory } from '../../../infra/postgres/users.js'
import { createPresence } from '../../../infra/redis/presence.js'
import { createTokenSigner } from '../../../infra/tokens.js'
import { BusUnavailable, type OutgoingRecord } from '../../../schemas/bus.js'
import { readConfig } from '../../../schemas/config.js'
import { type AnyTopic, eventsIn, fullName, recordOf, topics } from '../../../schemas/topics.js'
import { noTracer } from '../../../schemas/tracer.js'
import { contacts } from '../../../workers/contacts.worker.js'
import { files } from '../../../workers/files.worker.js'
import { groups } from '../../../workers/groups.worker.js'
import type { AnyWorker, Emit, Outcome, Place } from '../../../workers/kit/worker.js'
import type { WorkerPorts } from '../../../workers/main.js'
import { messageStore } from '../../../workers/message-store.worker.js'
import { org } from '../../../workers/org.worker.js'
import type { AckLookup, Presence } from '../../../workers/ports/presence.js'
import type { PhoneCache } from '../../../workers/ports/users.js'
import { queries } from '../../../workers/queries.worker.js'
import { readMarker } from '../../../workers/read-marker.worker.js'
import { sessionSettings } from '../../../workers/session-settings.worker.js'
import { users } from '../../../workers/users.worker.js'
import { freshDatabase } from '../../helpers/database.js'
import { silentLog } from '../../helpers/log.js'
import { freshRedis } from '../../helpers/redis.js'

const apiKey = 'key-of-the-tests'
const gateId = 'gate-1'
const config = readConfig({
  API_KEY: `another-key,${apiKey}`,
  MAX_HTTP_BODY_BYTES: '65536',
  FILE_MAX_BYTES: '200000',
  FILE_USER_DAILY_BYTES: '2000000',
  FILE_TYPES: 'image/*,audio/*,application/octet-stream',
  ALLOWED_ORIGINS: 'https://shop.example',
})
const workers: readonly AnyWorker[] = [
  users,
  messageStore,
  queries,
  readMarker,
  sessionSettings,
  groups,
  contacts,
  org,
  files,
]

export interface Reply {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the server answered
  readonly body: any
  readonly headers: Readonly<Record<string, unknown>>
}

export interface CallOptions {
  /** Undefined: the API key; null: none. */
  readonly bearer?: string | null
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** How the parts around the API are. `silent`: the bus takes what is published, and nobody answers. */
interface World {
  bus: 'fine' | 'away' | 'silent'
  suspended: boolean
  database: boolean
}

export interface RestStack {
  readonly api: FastifyInstance
  readonly pool: pg.Pool
  /** Where uploaded files lie. */
  readonly filesFolder: string
  call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    url: string,
    options?: CallOptions,
  ): Promise<Reply>
  /** Registers a user and answers its token. */
  register(userId: number): Promise<string>
  /** A device that is connected to some other gate. */
  logIn(userId: number, clientType: number, loginNumber: number): Promise<void>
  /** What was published to a topic, decoded, oldest first. */
  published<E>(topic: AnyTopic): E[]
  /** The headers of the latest record of a topic. */
  lastHeaders(topic: AnyTopic): OutgoingRecord['headers']
  /** Hands the latest request.user event to its worker again, as a restarted one would see it. */
  repeatLastUserRequest(): Promise<void>
  readonly world: World
}

/** Runs one event through a worker as the runner does. */
async function work(worker: AnyWorker, ports: unknown, event: unknown, place: Place): Promise<Emit[]> {
  const loaded: unknown = await worker.load?.([event], ports, [place])
  const outcomes: readonly Outcome<AnyTopic, unknown>[] = worker.decide(event, loaded, place)
  const emits = outcomes.filter((each) => each.kind === 'emit')
  const rows = outcomes.filter((each) => each.kind === 'save').map(({ row }) => row)
  if (rows.length === 0) return emits
  const results: readonly unknown[] = (await worker.save?.(rows, ports, [place])) ?? []
  return [...emits, ...rows.flatMap((row, at) => [...(worker.saved?.(row, results[at]) ?? [])])]
}

type PortsOfTheWorkers = Pick<
  WorkerPorts,
  | 'users'
  | 'userChanges'
  | 'nickNames'
  | 'robots'
  | 'presence'
  | 'store'
  | 'sessionLists'
  | 'history'
  | 'receipts'
  | 'sentMessages'
  | 'timelines'
  | 'pullLimits'
  | 'reads'
  | 'sessionChanges'
  | 'files'
  | 'fileChanges'
  | 'fileMentions'
  | 'groups'
  | 'groupChanges'
  | 'groupLimits'
  | 'contacts'
  | 'contactChanges'
  | 'org'
  | 'orgImports'
  | 'pushRecords'
> & { readonly phones: PhoneCache; readonly pending: AckLookup }

/** What the workers need, on the real PostgreSQL and Redis. */
function workerPorts(pool: pg.Pool, presence: Presence): PortsOfTheWorkers {
  return {
    users: createUserDirectory(pool),
    userChanges: createUserChanges(pool),
    presence,
    phones: { async forget() {} },
    pushRecords: createPushRecords(pool),
    // Nothing waits for a flush here.
    pending: { find: async (acks) => ({ acked: acks.map(() => false), handledUntil: 0 }) },
    store: createMessageStore(pool),
    nickNames: createNickNames(pool),
    robots: createRobotDirectory(pool),
    sessionLists: createSessionLists(pool),
    history: createMessageHistory(pool),
    receipts: createReceipts(pool),
    sentMessages: createSentMessages(pool),
    timelines: createTimelines(pool),
    pullLimits: config,
    reads: createReadMarks(pool),
    sessionChanges: createSessionChanges(pool),
    files: createFileDirectory(pool),
    fileChanges: createFileChanges(pool, {
      dailyBytes: config.FILE_USER_DAILY_BYTES,
      longest_ms: config.FILE_UPLOAD_TIMEOUT_MS,
    }),
    fileMentions: createFileMentions(pool),
    groups: createGroupDirectory(pool),
    groupChanges: createGroupChanges(pool, { writeDiffusionMax: 500 }),
    groupLimits: config,
    contacts: createContactDirectory(pool, 'anyone'),
    contactChanges: createContactChanges(pool),
    org: createOrgDirectory(pool),
    orgImports: createOrgImports(pool),
  }
}

/** Hands each record to its worker at once, and what that answers to the gate. */
function callingBus(ports: object, targets: Targets, world: World) {
  const history: Pick<OutgoingRecord, 'topic' | 'value' | 'headers'>[] = []
  let offset = 0

  async function handle(worker: AnyWorker, value: Buffer): Promise<void> {
    const place = { topic: worker.consumes.name, partition: 0, offset: offset++, appended: Date.now() }
    for (const { topic, event, instance = '' } of await work(
      worker,
      ports,
      worker.consumes.decode(value),
      place,
    )) {
      const record = recordOf({ prefix: config.TOPIC_PREFIX }, topic, event, instance)
      const name = record.topic
      history.push(record)
      if (name !== fullName(config.TOPIC_PREFIX, topics.gateOutbound, gateId)) continue
      for (const packet of topics.gateOutbound.decode(topic.encode(event)).packet ?? [])
        for (const target of packet.target ?? []) targets.of(target.connection_id)?.deliver(packet, target)
    }
  }

  return {
    history,
    handle,
    async publish(records: readonly OutgoingRecord[]): Promise<void> {
      if (world.bus === 'away') throw new BusUnavailable('the brokers are gone')
      for (const record of records) {
        const { topic, value } = record
        history.push(record)
        const worker = workers.find(({ consumes }) => fullName(config.TOPIC_PREFIX, consumes) === topic)
        if (worker !== undefined && world.bus === 'fine') await handle(worker, value)
      }
    },
  }
}

function reportsInMemory(): ReportLedger {
  const published = new Set<string>()
  return {
    isPublished: async (user_id, report_id) => published.has(`${user_id} ${report_id}`),
    published: async (user_id, report_id) => void published.add(`${user_id} ${report_id}`),
  }
}

function contextOf(
  world: World,
  targets: Targets,
  publish: HttpContext['publish'],
  files: HttpContext['files'],
): HttpContext {
  const metrics = createMetrics()
  return {
    config,
    files,
    identity: { gate_id: gateId, gate_epoch: 1 },
    bus: { isReachable: async () => world.bus === 'fine' } as unknown as HttpContext['bus'],
    directory: { live: async () => [{ tcp: '127.0.0.1:8000', ws: 'ws://127.0.0.1:8080/ws' }] },
    health: { check: async () => ({ roles: ['users'], database: world.database }) },
    log: silentLog,
    metrics,
    tracer: noTracer,
    exposition: metrics.exposition,
    tokens: createTokenSigner(['the secret of the tests']),
    neededRoles: ['users'],
    targets,
    publish,
    reports: createReports({
      ...{ style: { prefix: config.TOPIC_PREFIX }, ledger: reportsInMemory(), publish, tracer: noTracer },
    }),
    isSuspended: () => world.suspended,
    isReady: () => true,
    isOpen: () => true,
  }
}

const caller =
  (api: FastifyInstance): RestStack['call'] =>
  async (method, url, { bearer = apiKey, body, headers = {} } = {}) => {
    const response = await api.inject({
      method,
      url,
      headers: { ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }), ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    })
    const isJson = String(response.headers['content-type']).startsWith('application/json')
    return {
      status: response.statusCode,
      body: isJson ? response.json() : response.body,
      headers: response.headers,
    }
  }

/** The stack of one test file, closed when its tests are over. */
export async function openRest(): Promise<RestStack> {
  const { redis, keys } = freshRedis()
  const database = await freshDatabase()
  const pool = createPool(database.url, 4, silentLog)
  const presence = createPresence({ redis, keys, policy: 'one-per-type' })
  const world: World = { bus: 'fine', suspended: false, database: true }
  const targets = createTargets()
  const bus = callingBus(workerPorts(pool, presence), targets, world)
  const filesFolder = mkdtempSync(join(tmpdir(), 'coffeechat-files-'))
  const files = {
    store: createFolderStore(filesFolder),
    thumbnails: await createThumbnails(silentLog),
    signer: createAddressSigner(['the secret of the tests']),
  }
  const api = await createApi(contextOf(world, targets, bus.publish, files))
  after(async () => {
    await api.close()
    rmSync(filesFolder, { recursive: true })
    await pool.end()
    await database.drop()
  })
  const call = caller(api)

  return {
    api,
    pool,
    filesFolder,
    world,
    call,
    async register(userId) {
      const body = { user_id: String(userId), nick_name: `user ${userId}` }
      return (await call('POST', '/v1/users', { body })).body.token
    },
    async logIn(user_id, client_type, login_number) {
      const device = { client_type, device_id: randomUUID() }
      const gate = { gate_id: 'gate-2', gate_epoch: 7, connection_id: login_number }
      await presence.login([{ user_id, device, ...gate, login_number, since: 1 }])
    },
    published: <E>(topic: AnyTopic) =>
      bus.history
        .filter(
          (record) => record.topic.replace(/gate\.[^.]+\./, 'gate.{}.') === config.TOPIC_PREFIX + topic.name,
        )
        .flatMap(({ value }) => eventsIn(topic, value))
        .map((bytes) => topic.decode(bytes) as E),
    lastHeaders: (topic) =>
      bus.history.findLast((record) => record.topic === fullName(config.TOPIC_PREFIX, topic))?.headers,
    async repeatLastUserRequest() {
      const name = fullName(config.TOPIC_PREFIX, topics.requestUser)
      const last = bus.history.findLast(({ topic }) => topic === name)
      if (last !== undefined) await bus.handle(users, last.value)
    },
  }
}
