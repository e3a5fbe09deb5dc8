/** Redis servers of a test's own, of the very binary that `npm start` uses: single ones, sentinels, and a cluster. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { cachedPart } from '../../infra/local/fetch.js'
import { partPort } from '../../infra/local/ports.js'
import { root } from '../architecture/checkout.js'
import { type Program, run } from './program.js'
import { conditionHolds } from './wait.js'

const fetched = cachedPart(root, 'redis')

/** Why none can be started here, or false: for `skip`. */
export const noRedisServer =
  fetched === undefined ? 'there is no redis-server here: npm start without REDIS_URL fetches one' : false

const taken = new Set<number>()
const nodesOfCluster = 6
const mastersOfCluster = 3
const slots = 16_384
/** A node that is silent for so long is replaced; a machine that is busy with other tests is not silent for it. */
const nodeTimeout_ms = 3_000

export interface RedisServer {
  readonly port: number
  readonly program: Program
  /** Closed by `stop`. */
  readonly redis: Redis
  /** Starts it again on its port, with what it wrote to its folder. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Files (PEM): what a server shows, to clients and to its like, and whom it believes. */
export interface RedisCertificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

type Settings = Readonly<Record<string, string | number>>

interface Options {
  readonly isSentinel?: boolean
  /** It speaks TLS alone. */
  readonly isTls?: boolean
  /** It speaks TLS alone, whoever connects needs a certificate of that authority, and `redis` has one. */
  readonly certificates?: RedisCertificates | undefined
  readonly password?: string
}

const mutualTls = ({ ca, cert, key }: RedisCertificates): Settings => ({
  'tls-ca-cert-file': ca,
  'tls-cert-file': cert,
  'tls-key-file': key,
  'tls-auth-clients': 'yes',
  'tls-replication': 'yes',
})

/** @param settings of redis.conf, by name */
export async function startRedisServer(
  settings: Settings = {},
  { isSentinel = false, certificates, isTls = certificates !== undefined, password }: Options = {},
): Promise<RedisServer> {
  const port = await partPort(undefined, taken)
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-redis-'))
  const file = join(folder, 'redis.conf')
  const ports = isTls ? { port: 0, 'tls-port': port } : { port }
  const common = { bind: '127.0.0.1', save: '""', appendonly: 'no', dir: folder }
  const all = { ...ports, ...common, ...(certificates && mutualTls(certificates)), ...settings }
  writeFileSync(
    file,
    Object.entries(all)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
  )
  const redis = new Redis({
    host: '127.0.0.1',
    port,
    ...(password === undefined ? {} : { password }),
    ...(certificates === undefined
      ? {}
      : {
          tls: {
            ca: readFileSync(certificates.ca),
            cert: readFileSync(certificates.cert),
            key: readFileSync(certificates.key),
          },
        }),
    retryStrategy: () => 100,
    maxRetriesPerRequest: null,
    enableReadyCheck: false,
  })
  redis.on('error', () => {})
  const launch = async (): Promise<Program> => {
    const started = run([join(fetched!, 'redis-server'), file, ...(isSentinel ? ['--sentinel'] : [])])
    await started.says(/Ready to accept connections|Sentinel ID is/)
    return started
  }
  let program = await launch()
  return {
    port,
    get program() {
      return program
    },
    redis,
    async restart() {
      program = await launch()
    },
    async stop() {
      redis.disconnect()
      await program.end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export interface SentinelGroup {
  /** The first is the master at the start, the other its replica. */
  readonly servers: readonly [RedisServer, RedisServer]
  /** The settings of a process that uses it. */
  readonly settings: {
    readonly REDIS_URL: string
    readonly REDIS_MODE: 'sentinel'
    readonly REDIS_MASTER_NAME: string
    readonly REDIS_PASSWORD: string
  }
  /** One is the master, and the other follows it. */
  isWhole(): Promise<boolean>
  /** Whether a client that is this user waits to hear of a new master. */
  isHeard(user: string): Promise<boolean>
  stop(): Promise<void>
}

interface SentinelWishes {
  /** TLS alone, between all of them too. */
  readonly certificates?: RedisCertificates
  /** More settings of the master and its replica. */
  readonly server?: Settings
  /** More settings of the sentinels. */
  readonly sentinel?: Settings
  /** As for `sentinel <name> …`. */
  readonly watch?: { readonly 'down-after-milliseconds': number; readonly 'failover-timeout': number }
  /** Of the sentinels; they have none where it is not given. */
  readonly sentinelPassword?: string
}

const masterName = 'chat'
const patience = { 'down-after-milliseconds': nodeTimeout_ms, 'failover-timeout': 3 * nodeTimeout_ms }

/** A master with a replica, both with a password, and three sentinels. */
export async function startSentinels({
  certificates,
  server = {},
  sentinel = {},
  watch = patience,
  sentinelPassword,
}: SentinelWishes = {}): Promise<SentinelGroup> {
  const password = 'of-the-tests'
  const secrets = {
    requirepass: password,
    masterauth: password,
    'repl-diskless-sync-delay': 0,
    'enable-debug-command': 'yes',
    ...server,
  }
  const options = { password, certificates }
  const master = await startRedisServer(secrets, options)
  const follow = { replicaof: `127.0.0.1 ${master.port}` }
  const replica = await startRedisServer({ ...secrets, ...follow }, options)
  await conditionHolds('the replica follows its master', () => follows(replica))
  const settings = {
    [`sentinel monitor ${masterName}`]: `127.0.0.1 ${master.port} 2`,
    [`sentinel auth-pass ${masterName}`]: password,
    ...Object.fromEntries(Object.entries(watch).map(([name, ms]) => [`sentinel ${name} ${masterName}`, ms])),
    ...(sentinelPassword === undefined
      ? {}
      : { requirepass: sentinelPassword, 'sentinel sentinel-pass': sentinelPassword }),
    ...sentinel,
  }
  const asSentinel = {
    isSentinel: true,
    certificates,
    ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
  }
  const sentinels = await Promise.all([1, 2, 3].map(() => startRedisServer(settings, asSentinel)))
  await conditionHolds('the sentinels know each other and the replica', () => knowAll(sentinels), 60_000)
  const scheme = certificates === undefined ? 'redis' : 'rediss'
  return {
    servers: [master, replica],
    settings: {
      REDIS_URL: sentinels.map(({ port }) => `${scheme}://127.0.0.1:${port}`).join(','),
      REDIS_MODE: 'sentinel',
      REDIS_MASTER_NAME: masterName,
      REDIS_PASSWORD: password,
    },
    isWhole: async () =>
      (await knowAll(sentinels)) &&
      (await Promise.all([master, replica].map(follows))).filter(Boolean).length === 1,
    async isHeard(user) {
      const lists = await Promise.all(sentinels.map(({ redis }) => redis.client('LIST')))
      const clients = lists.flatMap((list) => String(list).split('\n'))
      return clients.some((client) => client.includes(` user=${user} `) && / sub=1 /.test(client))
    },
    async stop() {
      await Promise.all([...sentinels, master, replica].map((each) => each.stop()))
    },
  }
}

/** Whether it is a replica that has what its master has. */
const follows = async ({ redis }: RedisServer): Promise<boolean> =>
  (await redis.info('replication')).includes('master_link_status:up')

/** Whether the sentinels know each other and one replica, and hold nobody for down. */
async function knowAll(sentinels: readonly RedisServer[]): Promise<boolean> {
  const masters = await Promise.all(
    sentinels.map(({ redis }) => redis.call('SENTINEL', 'MASTER', masterName) as Promise<string[]>),
  )
  return masters.every((each) => {
    const field = (title: string) => each[each.indexOf(title) + 1]
    return field('num-slaves') === '1' && field('num-other-sentinels') === '2' && field('flags') === 'master'
  })
}

export interface RedisCluster {
  /** The first three were masters at the start, each with a replica. */
  readonly nodes: readonly RedisServer[]
  /** As REDIS_URL has it: two nodes of the six. */
  readonly url: string
  /** The master that serves this key now. */
  masterOf(key: string): Promise<RedisServer>
  /** Sum over all masters. */
  sum(count: (master: Redis) => Promise<number>): Promise<number>
  /** Every slot is served. */
  isWhole(): Promise<boolean>
  stop(): Promise<void>
}

type SlotRange = readonly [first: number, last: number, master: readonly [host: string, port: number]]

const alive = (nodes: readonly RedisServer[]) =>
  nodes.filter(({ program }) => program.child.exitCode === null && program.child.signalCode === null)

/** Three masters, each with a replica. */
export async function startRedisCluster(
  settings: Settings = {},
  certificates?: RedisCertificates,
): Promise<RedisCluster> {
  const nodes = await Promise.all(
    Array.from({ length: nodesOfCluster }, async () =>
      startRedisServer(
        {
          'cluster-enabled': 'yes',
          'cluster-node-timeout': nodeTimeout_ms,
          'cluster-port': await partPort(undefined, taken),
          'repl-diskless-sync-delay': 0,
          ...(certificates && { 'tls-cluster': 'yes' }),
          ...settings,
        },
        { certificates },
      ),
    ),
  )
  await form(nodes)

  async function owners(): Promise<readonly SlotRange[]> {
    const [first] = alive(nodes)
    return (await first!.redis.cluster('SLOTS')) as never
  }
  const mastersNow = async (): Promise<readonly RedisServer[]> => {
    const ports = new Set((await owners()).map(([, , [, port]]) => port))
    return nodes.filter(({ port }) => ports.has(port))
  }
  return {
    nodes,
    url: nodes
      .slice(1, 3)
      .map(({ port }) => `${certificates === undefined ? 'redis' : 'rediss'}://127.0.0.1:${port}`)
      .join(','),
    async masterOf(key) {
      const slot = await alive(nodes)[0]!.redis.cluster('KEYSLOT', key)
      const range = (await owners()).find(([first, last]) => first <= slot && slot <= last)
      return nodes.find(({ port }) => port === range?.[2][1])!
    },
    async sum(count) {
      const counts = await Promise.all((await mastersNow()).map(({ redis }) => count(redis)))
      return counts.reduce((all, each) => all + each, 0)
    },
    async isWhole() {
      const states = await Promise.all(alive(nodes).map(({ redis }) => redis.cluster('INFO')))
      return states.every((state) => String(state).includes('cluster_state:ok'))
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

/** Without redis-cli: the nodes meet, masters get their slots, replicas their masters. */
async function form(nodes: readonly RedisServer[]): Promise<void> {
  const masters = nodes.slice(0, mastersOfCluster)
  const [first] = nodes
  const share = Math.ceil(slots / mastersOfCluster)
  for (const [at, { redis }] of masters.entries()) {
    await redis.cluster('SET-CONFIG-EPOCH', at + 1)
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', at * share, Math.min(slots, (at + 1) * share) - 1)
  }
  for (const { redis } of nodes.slice(1)) {
    const [, busPort] = (await first!.redis.config('GET', 'cluster-port')) as [string, string]
    await redis.call('CLUSTER', 'MEET', '127.0.0.1', first!.port, busPort)
  }
  const knows = (count: number) => async () => {
    const infos = await Promise.all(nodes.map(({ redis }) => redis.cluster('INFO')))
    return infos.every((info) => String(info).includes(`cluster_known_nodes:${count}`))
  }
  await conditionHolds('all nodes have met', knows(nodes.length))
  for (const [at, { redis }] of nodes.slice(mastersOfCluster).entries()) {
    const id = await masters[at]!.redis.cluster('MYID')
    await redis.call('CLUSTER', 'REPLICATE', id as string)
  }
  const isWhole = async () => {
    const states = await Promise.all(nodes.map(({ redis }) => redis.cluster('INFO')))
    if (!states.every((state) => String(state).includes('cluster_state:ok'))) return false
    const replicas = await Promise.all(
      nodes.slice(mastersOfCluster).map(({ redis }) => redis.info('replication')),
    )
    return replicas.every((text) => text.includes('master_link_status:up'))
  }
  await conditionHolds('the cluster is whole', isWhole)
}
