/** Brokers of a test's own, from the parts that `npm start` uses: secured as the test likes, killed and started again. */
import type { ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cachedPart, findJava } from '../../infra/local/fetch.js'
import {
  brokerSettings,
  type KafkaParts,
  kafkaAnswers,
  kafkaNode,
  newClusterId,
} from '../../infra/local/kafka.js'
import { partPort } from '../../infra/local/ports.js'

const root = join(import.meta.dirname, '../../..') // from dist/test/helpers
const java = await findJava(process.env)
const jars = cachedPart(root, 'kafka')

/** Why no broker can be started here, or false: for `skip`. */
export const noKafkaParts =
  java === undefined
    ? 'there is no Java (17 or newer): apt-get install openjdk-17-jre-headless'
    : jars === undefined
      ? "Kafka's jars are not here: npm start fetches them"
      : false

export interface TestNode {
  isRunning(): boolean
  /** Resolves when it has ended. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it; resolves when it serves. */
  start(): Promise<void>
}

export interface TestCluster {
  readonly nodes: readonly TestNode[]
  /** host:port of each, by that listener, else by the one without TLS and login; comma-separated. */
  addresses(listener?: string): string
  stop(): Promise<void>
}

export interface ClusterOptions {
  readonly size?: number
  /** Listeners for clients, by name (capitals), and what is spoken there: SASL_SSL, say. */
  readonly listeners?: Readonly<Record<string, string>>
  /** server.properties, beside what every broker of ours has. */
  readonly settings?: Readonly<Record<string, string>>
  /** Options of kafka-storage.sh format. */
  readonly format?: readonly string[]
}

const stopWithin_ms = 15_000
const living = new Set<ChildProcess>()
const folders = new Set<string>()

process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

interface Ports {
  readonly clients: ReadonlyMap<string, number>
  readonly plain: number
  readonly controller: number
}

const host = '127.0.0.1'

/** Copies on all brokers, of which all but one have to be there. */
function copies(size: number): Record<string, string> {
  const [all, enough] = [String(size), String(Math.max(1, size - 1))]
  return {
    'offsets.topic.replication.factor': all,
    'default.replication.factor': all,
    'transaction.state.log.replication.factor': all,
    'transaction.state.log.min.isr': enough,
    'min.insync.replicas': enough,
  }
}

function settingsOf(at: number, ports: readonly Ports[], { listeners = {}, settings }: ClusterOptions) {
  const { clients, plain, controller } = ports[at]!
  const open = [...clients, ['PLAINTEXT', plain] as const].map(([name, port]) => `${name}://${host}:${port}`)
  const spoken = Object.entries({ ...listeners, PLAINTEXT: 'PLAINTEXT', CONTROLLER: 'PLAINTEXT' })
  return {
    ...brokerSettings,
    ...copies(ports.length),
    'node.id': String(at + 1),
    'controller.quorum.voters': ports.map((each, id) => `${id + 1}@${host}:${each.controller}`).join(','),
    'listener.security.protocol.map': spoken.map((pair) => pair.join(':')).join(','),
    listeners: [...open, `CONTROLLER://${host}:${controller}`].join(','),
    'advertised.listeners': open.join(','),
    ...settings,
  }
}

/** One broker, prepared and not started. */
function nodeOf(parts: KafkaParts, folder: string, ports: Ports, settings: Record<string, string>) {
  const node = kafkaNode(parts, folder, settings)
  const logFile = join(folder, 'output.log')
  let child: ChildProcess | undefined

  function launch(): AbortSignal {
    const output = openSync(logFile, 'a')
    const launched = node.launch(output, process.env, false)
    closeSync(output)
    child = launched
    living.add(launched)
    const over = new AbortController()
    launched.once('exit', () => {
      living.delete(launched)
      over.abort()
    })
    return over.signal
  }

  const testNode: TestNode = {
    isRunning: () => child !== undefined && living.has(child),
    async kill(signal) {
      const mine = child
      if (mine === undefined || !living.has(mine)) return
      const ended = new Promise((resolve) => mine.once('exit', resolve))
      const late = setTimeout(() => mine.kill('SIGKILL'), stopWithin_ms)
      mine.kill(signal)
      await ended
      clearTimeout(late)
    },
    start: () =>
      kafkaAnswers(ports.plain, launch()).catch(() => {
        throw new Error(`a broker ended:\n${readFileSync(logFile, 'utf8').split('\n').slice(-12).join('\n')}`)
      }),
  }
  return { format: node.format, testNode }
}

/** Starts brokers that are controllers too; resolves when all of them serve. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  if (java === undefined || jars === undefined) throw new Error(String(noKafkaParts))
  const parts = { java, jars }
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-kafka-'))
  folders.add(folder)
  const taken = new Set<number>()
  const ports: Ports[] = []
  for (let at = 0; at < (options.size ?? 1); at++) {
    const clients = new Map<string, number>()
    for (const name of Object.keys(options.listeners ?? {}))
      clients.set(name, await partPort(undefined, taken))
    const [plain, controller] = [await partPort(undefined, taken), await partPort(undefined, taken)]
    ports.push({ clients, plain, controller })
  }
  const made = ports.map((each, at) =>
    nodeOf(parts, join(folder, String(at + 1)), each, settingsOf(at, ports, options)),
  )
  const nodes = made.map(({ testNode }) => testNode)
  const clusterId = newClusterId()
  await Promise.all(made.map(({ format }) => format(clusterId, options.format)))
  await Promise.all(nodes.map((node) => node.start()))
  return {
    nodes,
    addresses: (listener) =>
      ports.map(({ clients, plain }) => `${host}:${listener ? clients.get(listener) : plain}`).join(','),
    async stop() {
      await Promise.all(nodes.map((node) => node.kill('SIGKILL')))
      rmSync(folder, { recursive: true, force: true })
      folders.delete(folder)
    },
  }
}
