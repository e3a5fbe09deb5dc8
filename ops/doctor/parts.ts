/** Brokers, database, Redis, providers, and whether all go by the same time. */
import { clockRemedy, clockSkew_ms, saysClock } from '../../schemas/clock.js'
import type { DatabaseFacts, RedisFacts } from '../ports.js'
import { plural } from '../report.js'
import { doubtful, type Finding, ok, wrong } from './finding.js'

/** @param ahead_ms how far that clock is before ours */
export function clockFinding(whose: string, ahead_ms: number): Finding {
  const says = saysClock(whose, ahead_ms, "this machine's")
  if (Math.abs(ahead_ms) >= clockSkew_ms.wrong) return wrong('clock', says, clockRemedy)
  return Math.abs(ahead_ms) >= clockSkew_ms.doubtful
    ? doubtful('clock', says, clockRemedy)
    : ok('clock', says)
}

/** What is to be said of a database that answers. */
export function databaseFindings(facts: DatabaseFacts): Finding[] {
  const part = 'database'
  const { pending, foreign, connections, maxConnections } = facts
  const findings = [
    ok(part, `PostgreSQL ${facts.version}, ${connections} of ${maxConnections} connections in use`),
  ]
  if (pending.length > 0)
    findings.push(
      wrong(
        part,
        `migrations that have not run: ${pending.join(', ')}`,
        'node dist/main.js --setup runs them',
      ),
    )
  if (foreign.length > 0)
    findings.push(
      wrong(
        part,
        `migrations of another release: ${foreign.join(', ')}`,
        'run the release that the database belongs to',
      ),
    )
  if (pending.length === 0 && foreign.length === 0) findings.push(ok(part, 'all migrations have run'))
  if (connections > 0.8 * maxConnections)
    findings.push(
      doubtful(part, 'nearly all connections are in use', 'lower DATABASE_POOL, or raise max_connections'),
    )
  return [...findings, clockFinding('the database', facts.ahead_ms)]
}

/** What is to be said of a Redis that answers. */
export function redisFindings({
  version,
  masters,
  ahead_ms,
  evictionPolicy,
  maxMemoryBytes,
  liveGates,
}: RedisFacts): Finding[] {
  const part = 'redis'
  const findings = [
    ok(part, `Redis ${version}${masters > 1 ? `, ${plural(masters, 'master')}` : ''}: takes what we write`),
  ]
  if (maxMemoryBytes > 0 && evictionPolicy !== 'noeviction' && evictionPolicy !== '')
    findings.push(
      doubtful(
        part,
        `maxmemory-policy is ${evictionPolicy}: when memory is full, presence and pending acks are thrown away`,
        'CONFIG SET maxmemory-policy noeviction',
      ),
    )
  findings.push(
    liveGates > 0
      ? ok(part, `${plural(liveGates, 'gateway')} with a lease`)
      : wrong(
          part,
          'no gateway has a lease: nobody can connect',
          'start one: npm start, or node dist/main.js --roles gateway',
        ),
  )
  return [...findings, clockFinding('Redis', ahead_ms)]
}

/** What a record took from here to the brokers and back. */
export interface Probe {
  readonly took_ms: number
  /** How far the brokers' clock is before ours. */
  readonly ahead_ms: number
}

/** What is to be said of brokers that answer. */
export const brokerFindings = (brokers: readonly string[], { took_ms, ahead_ms }: Probe): Finding[] => [
  ok('brokers', `${brokers.join(', ')}: a record was written and read back in ${Math.round(took_ms)} ms`),
  clockFinding('the brokers', ahead_ms),
]
