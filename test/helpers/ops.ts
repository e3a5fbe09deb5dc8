/** The operator's commands as a person would call them, on a system of the tests. */
import { join } from 'node:path'
import { createInspection } from '../../infra/kafka/inspection.js'
import type { Operation } from '../../ops/consumer-groups.js'
import { allWorkers } from '../../workers/main.js'
import { silentLog } from './log.js'
import { run } from './program.js'
import type { System } from './system.js'

const program = join(import.meta.dirname, '../../ops.js') // from dist/test/helpers

/** The operator's view of the bus, in this process. */
export async function openOperation({ kafka, prefix }: Pick<System, 'kafka' | 'prefix'>): Promise<Operation> {
  const settings = {
    brokers: kafka.split(','),
    clientId: 'ops-of-the-tests',
    prefix,
    replication: 1,
    log: silentLog,
  }
  const groups = allWorkers.map(({ name, consumes }) => ({ name, topic: consumes, delay_ms: undefined }))
  return { bus: await createInspection(settings), prefix, groups, now: Date.now }
}

export interface Commanded {
  readonly code: number | null
  readonly said: string
}

/** @param words as on a command line, separated by single spaces */
export async function ops(
  { kafka, databaseUrl, redisUrl, prefix }: Pick<System, 'kafka' | 'databaseUrl' | 'redisUrl' | 'prefix'>,
  words: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Commanded> {
  const addresses = {
    KAFKA_BROKERS: kafka,
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    TOPIC_PREFIX: prefix,
    TOPIC_PARTITIONS: '2',
  }
  const started = run([process.execPath, program, ...words.split(' ')], { env: { ...addresses, ...env } })
  const code = await started.ended()
  return { code, said: started.said().trim() }
}
