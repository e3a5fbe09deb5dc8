/** `doctor`: looks at everything that the system needs, each part for itself, so that one that is away hides no other. */
import type { TopicSettings } from '../../schemas/bus.js'
import type { Config } from '../../schemas/config.js'
import { EngineRefused } from '../../schemas/engine-refused.js'
import { minInSyncReplicas } from '../../schemas/kafka-settings.js'
import type { Operation } from '../consumer-groups.js'
import type { DatabaseFacts, DiskFacts, RedisFacts } from '../ports.js'
import { plural, type Report } from '../report.js'
import { lagOf } from '../topic-lag.js'
import { diskFinding } from './disk.js'
import { type Finding, ok, wrong } from './finding.js'
import { groupFindings } from './groups.js'
import { logFolderFindings } from './log-folders.js'
import { brokerFindings, databaseFindings, type Probe, redisFindings } from './parts.js'
import { settingsFindings } from './settings.js'
import { topicFindings } from './topics.js'

/** An address outside that some setting names. */
export interface Endpoint {
  readonly setting: string
  readonly url: string
}

export interface DoctorPorts {
  /** Opens the bus for as long as `work` takes. */
  onBus<T>(work: (operation: Operation) => Promise<T>): Promise<T>
  /** Writes a record and reads it back. */
  probe(operation: Operation): Promise<Probe>
  database(): Promise<DatabaseFacts>
  redis(): Promise<RedisFacts>
  /** Where this machine's processes write files. */
  disks(): Promise<readonly DiskFacts[]>
  /** Resolves when something listens there. */
  connect(url: string): Promise<void>
  /** Every topic that there should be. */
  readonly expectedTopics: readonly TopicSettings[]
  readonly endpoints: readonly Endpoint[]
}

/** Exit code 1 where something is wrong; what is doubtful is said, and does not count. */
export async function doctor(env: NodeJS.ProcessEnv, config: Config, ports: DoctorPorts): Promise<Report> {
  const found = await Promise.all([
    settingsFindings(env, config),
    examine(
      'brokers',
      `is KAFKA_BROKERS=${config.KAFKA_BROKERS} right, and is Kafka up? A broker whose disk is full stops by itself: its log says so`,
      () => bus(config, ports),
    ),
    examine('database', 'is DATABASE_URL right, and is PostgreSQL up?', async () =>
      databaseFindings(await ports.database()),
    ),
    examine('redis', 'is REDIS_URL right, and is Redis up?', async () => redisFindings(await ports.redis())),
    examine('disk', 'may this user see that folder?', async () => (await ports.disks()).map(diskFinding)),
    ...ports.endpoints.map(({ setting, url }) => endpoint(setting, url, ports)),
  ])
  return reportOf(found.flat())
}

async function examine(part: string, remedy: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof EngineRefused) return [wrong(part, error.says, error.remedy)]
    return [wrong(part, (error as Error).message, remedy)]
  }
}

function bus(config: Config, ports: DoctorPorts): Promise<Finding[]> {
  return ports.onBus(async (operation) => {
    const names = await operation.bus.topicNames()
    const expected = ports.expectedTopics
    const there = expected.map(({ name }) => name).filter((name) => names.includes(name))
    const layouts = await operation.bus.layouts(there)
    return [
      ...(await examine(
        'brokers',
        'the brokers answer and take no record: look at their logs and disks, and at the rights of this user',
        async () => brokerFindings(await operation.bus.brokers(), await ports.probe(operation)),
      )),
      ...(await examine('disk', 'look at the logs of the brokers', async () =>
        logFolderFindings(await operation.bus.logFolders()),
      )),
      ...topicFindings(expected, layouts, {
        replication: config.TOPIC_REPLICATION,
        minInSync: minInSyncReplicas(config),
      }),
      ...groupFindings(await lagOf(operation)),
    ]
  })
}

/** The address without what may be secret in it. */
const shown = (url: string): string => new URL(url).host

const endpoint = (setting: string, url: string, { connect }: DoctorPorts): Promise<Finding[]> =>
  examine('providers', `is ${setting} right, and may this machine reach it?`, async () => {
    await connect(url).catch((error: Error) => {
      throw new Error(`${setting}: nothing answers at ${shown(url)} (${error.message})`)
    })
    return [ok('providers', `${setting}: ${shown(url)} can be reached`)]
  })

const marks = { ok: 'ok      ', doubtful: 'doubtful', wrong: 'WRONG   ' }

/** All findings, and how many of them are bad. */
export function reportOf(findings: readonly Finding[]): Report {
  const count = (verdict: Finding['verdict']) => findings.filter((each) => each.verdict === verdict).length
  const [faults, doubts] = [count('wrong'), count('doubtful')]
  const width = Math.max(...findings.map(({ part }) => part.length))
  return {
    json: { healthy: faults === 0, wrong: faults, doubtful: doubts, findings },
    text: [
      ...findings.flatMap(({ part, verdict, says, remedy }) => [
        `${marks[verdict]}  ${part.padEnd(width)}  ${says}`,
        ...(remedy === undefined ? [] : [`${' '.repeat(width + 12)}→ ${remedy}`]),
      ]),
      '',
      faults === 0
        ? `Nothing is wrong${doubts === 0 ? '' : `; ${plural(doubts, 'thing')} to look at`}.`
        : `${plural(faults, 'thing')} wrong, ${doubts} doubtful.`,
    ],
    exitCode: faults === 0 ? 0 : 1,
  }
}
