/** Kafka of the local stack: one node in KRaft mode, broker and controller in one JVM. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until } from './answers.js'
import type { Java } from './fetch.js'
import { logFile } from './logs.js'
import type { Program } from './supervise.js'
import { withProgress } from './terminal.js'

export interface KafkaPorts {
  kafka: number
  controller: number
}

/**
 * What every way of running the local broker sets.
 * The largest record is 6 MiB (spec 3: one answer is one record); the rest is room for its batch.
 */
export const brokerSettings: Readonly<Record<string, string>> = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'inter.broker.listener.name': 'PLAINTEXT',
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'auto.create.topics.enable': 'false',
  'compression.type': 'producer',
  'message.max.bytes': String(7 * 1024 * 1024),
  'replica.fetch.max.bytes': String(7 * 1024 * 1024),
  // otherwise the kernel's write-back of the log stalls PostgreSQL's fsync on the same disk
  'log.flush.interval.ms': '100',
  'log.flush.scheduler.interval.ms': '100',
  'log.segment.bytes': String(128 * 1024 * 1024),
  'log.retention.check.interval.ms': '60000',
  'log.index.size.max.bytes': String(1024 * 1024),
  // allocated at start, 128 MiB by default: only the consumers' offsets are compacted here
  'log.cleaner.dedupe.buffer.size': String(4 * 1024 * 1024),
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '8',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  // after kill -9 the controller refuses the broker until its old session has run out (9 s by default)
  'broker.heartbeat.interval.ms': '500',
  'broker.session.timeout.ms': '3000',
  'num.network.threads': '2',
  'num.io.threads': '4',
}

// The full compiler and G1: the first tier alone and the serial collector cost a core.
// The periodic collection gives memory back while nothing happens.
const jvmFlags = [
  '-Xms64m',
  '-Xmx512m',
  '-XX:+UseG1GC',
  '-XX:G1PeriodicGCInterval=30000',
  '-XX:MaxGCPauseMillis=20',
  '-XX:MaxDirectMemorySize=128m',
  '-Djava.awt.headless=true',
]

const logging = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server
logger.server.level = info
`

const listeners = ({ kafka, controller }: KafkaPorts): Record<string, string> => ({
  'controller.quorum.voters': `1@127.0.0.1:${controller}`,
  listeners: `PLAINTEXT://127.0.0.1:${kafka},CONTROLLER://127.0.0.1:${controller}`,
  'advertised.listeners': `PLAINTEXT://127.0.0.1:${kafka}`,
})

/**
 * The broker's classes as its Java keeps them once they are loaded and verified (class data sharing): written when
 * the first broker ends, by whoever starts one next read in a moment. Start: 6.7 s without, 4.1 s with.
 */
function classArchive({ version }: Java, jars: string) {
  const belongsTo = createHash('sha256').update(version).update(jars).digest('hex').slice(0, 12)
  const path = `${jars}-classes-${belongsTo}.jsa`
  const draft = `${path}.${process.pid}.new`
  const exists = existsSync(path)
  return {
    reading: exists ? [`-XX:SharedArchiveFile=${path}`] : [],
    writing: exists ? [] : [`-XX:ArchiveClassesAtExit=${draft}`],
    /** What a Java that was killed has written is of no use. */
    keepFrom(broker: ChildProcess): void {
      broker.once('exit', (_code, signal) => {
        if (!existsSync(draft)) return
        if (signal === null) renameSync(draft, path)
        else rmSync(draft)
      })
    },
  }
}

/** Where a broker's Java and its jars are. */
export interface KafkaParts {
  /** At least 17. */
  readonly java: Java
  /** The folder of the jars. */
  readonly jars: string
}

/** A broker of this machine, in a folder of its own. */
export interface KafkaNode {
  /** Prepares the folder, once (about 2 s). @param options of kafka-storage.sh format beyond the cluster's id */
  format(clusterId: string, options?: readonly string[]): Promise<void>
  /** @param output a file's descriptor, for its log @param detached whether it leads a process group of its own */
  launch(output: number, env: NodeJS.ProcessEnv, detached: boolean): ChildProcess
}

export const newClusterId = (): string => randomBytes(16).toString('base64url')

/** @param settings of server.properties; without `log.dirs` the log lies in the folder too */
export function kafkaNode(
  { java, jars }: KafkaParts,
  folder: string,
  settings: Readonly<Record<string, string>>,
): KafkaNode {
  const loggingFile = join(folder, 'log4j2.properties')
  const settingsFile = join(folder, 'server.properties')
  const logFolder = settings['log.dirs'] ?? join(folder, 'log')
  const lines = Object.entries({ ...settings, 'log.dirs': logFolder }).map((pair) => pair.join('='))
  mkdirSync(folder, { recursive: true })
  writeFileSync(loggingFile, logging)
  writeFileSync(settingsFile, `${lines.join('\n')}\n`)
  const classes = classArchive(java, jars)
  const jvm = [...classes.reading, `-Dlog4j2.configurationFile=${loggingFile}`, '-cp', join(jars, '*')]
  return {
    async format(clusterId, options = []) {
      if (existsSync(join(logFolder, 'meta.properties'))) return
      // one argument: every 64th id begins with a dash and would be taken for an option
      const cluster = `--cluster-id=${clusterId}`
      const args = [...jvm, 'kafka.tools.StorageTool', 'format', cluster, '-c', settingsFile, ...options]
      await promisify(execFile)(java.path, ['-XX:TieredStopAtLevel=1', ...args])
    },
    launch(output, env, detached) {
      const child = spawn(java.path, [...jvmFlags, ...classes.writing, ...jvm, 'kafka.Kafka', settingsFile], {
        cwd: folder,
        detached,
        stdio: ['ignore', output, output],
        // glibc's arena for every thread would keep tens of MiB for nothing
        env: { ...env, MALLOC_ARENA_MAX: '2' },
      })
      classes.keepFrom(child)
      return child
    },
  }
}

/** The broker as a program; formats its folder at the first start. */
export async function kafkaProgram(
  parts: KafkaParts,
  dataDir: string,
  ports: KafkaPorts,
  env: NodeJS.ProcessEnv,
): Promise<Program> {
  const log = logFile(dataDir, 'kafka')
  const node = kafkaNode(parts, join(dataDir, 'kafka'), { ...brokerSettings, ...listeners(ports) })
  await withProgress("formatting Kafka's folder", node.format(newClusterId()))
  return {
    name: 'kafka',
    rank: 'backing',
    stopSignal: 'SIGTERM',
    launch(): ChildProcess {
      const output = log.open()
      const child = node.launch(output, env, true)
      closeSync(output)
      return child
    },
    ready: (_child, ended) => kafkaAnswers(ports.kafka, ended),
    lastWords: () => `${log.path}:\n${log.tail(10)}`,
  }
}

// length 10; api key 18 (ApiVersions), version 0, correlation id 1, no client id
const apiVersionsRequest = Buffer.from('0000000a0012000000000001ffff', 'hex')

/** Resolves once the broker answers a request: it opens its port only when it may serve. */
export function kafkaAnswers(port: number, ended: AbortSignal): Promise<void> {
  return until(ended, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(apiVersionsRequest))
    return { socket, isAnswer: (reply) => reply.length > 8 }
  })
}
