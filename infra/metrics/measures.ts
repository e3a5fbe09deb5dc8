/** What a process measures of what it stands on: the bus, PostgreSQL, Redis, and notifications. */
import type { Redis } from 'ioredis'
import type pg from 'pg'
import type { Metrics } from '../../schemas/metrics.js'
import type { Notifier, PushLedger } from '../../workers/ports/push.js'
import type { BusObserver, MeasuredBus } from '../kafka/bus.js'

/** The same objects again and again: their labels are looked up once. */
function labelsOnce<Name extends string>(label: Name) {
  const made = new Map<string, Readonly<Record<Name, string>>>()
  return (value: string): Readonly<Record<Name, string>> => {
    const known = made.get(value) ?? ({ [label]: value } as Record<Name, string>)
    made.set(value, known)
    return known
  }
}

/** A gate's group bears its id and epoch: one word for all of them. */
const groupName = (group: string): string => (group.startsWith('gate.') ? 'gateway' : group)

/** Counts what the bus does. */
export function observeBus(metrics: Metrics): BusObserver {
  const producerLabels = labelsOnce('producer')
  const groupLabels = labelsOnce('group')
  return {
    sent(producer, records, duration_ms) {
      const labels = producerLabels(producer)
      metrics.count('bus_sent_records', labels, records)
      metrics.observe('bus_send_duration_ms', duration_ms, labels)
    },
    sendFailed: (producer) => metrics.count('bus_send_failures', producerLabels(producer)),
    batchFailed: (group) => metrics.count('bus_batch_failures', groupLabels(groupName(group))),
  }
}

export interface Measured {
  readonly bus: Pick<MeasuredBus, 'lags' | 'queues'>
  readonly redis: Pick<Redis, 'status'>
  readonly pool: Pick<pg.Pool, 'totalCount' | 'idleCount' | 'waitingCount'> | undefined
}

/** Registers what is read when somebody asks. */
export function measureOutside({ bus, redis, pool }: Measured, metrics: Metrics): void {
  metrics.gauge('bus_lag_records', () =>
    [...bus.lags()].map(([group, records]) => [{ group: groupName(group) }, records] as const),
  )
  metrics.gauge('bus_queued_records', () =>
    [...bus.queues()].map(([producer, records]) => [{ producer }, records] as const),
  )
  metrics.gauge('redis_connected', () => (redis.status === 'ready' ? 1 : 0))
  if (pool === undefined) return
  metrics.gauge('database_connections', () => [
    [{ state: 'busy' }, pool.totalCount - pool.idleCount],
    [{ state: 'idle' }, pool.idleCount],
  ])
  metrics.gauge('database_waiting', () => pool.waitingCount)
}

interface PushPorts {
  readonly pushLedger: PushLedger
  readonly notifier: Notifier
}

/**
 * The same ports, counted.
 * @param providers the names that are set up; others, which come with push tokens, count as one
 */
export function measurePushes(
  { pushLedger, notifier }: PushPorts,
  providers: ReadonlySet<string>,
  metrics: Metrics,
): PushPorts {
  const shown = (provider: string | null): string =>
    provider === null ? 'none' : providers.has(provider) ? provider : 'other'
  return {
    pushLedger: {
      open: pushLedger.open,
      async settle(outcomes) {
        await pushLedger.settle(outcomes)
        for (const { provider, state } of outcomes)
          metrics.count('push_notifications', { provider: shown(provider), outcome: state })
      },
    },
    notifier: {
      async notify(...asked) {
        const begun = performance.now()
        const notified = await notifier.notify(...asked)
        metrics.observe('push_duration_ms', performance.now() - begun)
        const [{ time }] = asked
        if (notified.outcome === 'sent') metrics.observe('push_age_ms', Math.max(0, Date.now() - time))
        for (const { provider } of notified.dead)
          metrics.count('push_dead_tokens', { provider: shown(provider) })
        return notified
      },
    },
  }
}
