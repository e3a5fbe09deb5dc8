/**
 * Every figure that a process of ours gives at /metrics, with its labels and what it says: the only place that names
 * them. docs/operate/metrics.md is written from it; alerts and dashboards are held to it by a test.
 *
 * Labels have few values (a command, a worker, a reason), never a user, a conversation or a gate.
 */

type Kind = 'counter' | 'gauge' | 'histogram'

/** Who gives it. */
type Giver = 'gateway' | 'workers' | 'every process'

interface Metric<K extends Kind = Kind, L extends string = string> {
  readonly kind: K
  readonly labels: readonly L[]
  readonly giver: Giver
  readonly meaning: string
  /** Upper bounds; histograms only. */
  readonly buckets: readonly number[]
}

/** ms: from a hop on the bus to a delivery that waits for its deadline. */
const ms = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000]
const counts = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]

const counter = <const L extends string = never>(
  giver: Giver,
  meaning: string,
  labels: readonly L[] = [],
): Metric<'counter', L> => ({ kind: 'counter', labels, giver, meaning, buckets: [] })

const gauge = <const L extends string = never>(
  giver: Giver,
  meaning: string,
  labels: readonly L[] = [],
): Metric<'gauge', L> => ({ kind: 'gauge', labels, giver, meaning, buckets: [] })

const histogram = <const L extends string = never>(
  giver: Giver,
  meaning: string,
  labels: readonly L[] = [],
  buckets: readonly number[] = ms,
): Metric<'histogram', L> => ({ kind: 'histogram', labels, giver, meaning, buckets })

export const metrics = {
  connections: gauge('gateway', 'sockets of clients, logged in or not'),
  connections_opened: counter('gateway', 'sockets that were accepted'),
  connections_closed: counter('gateway', 'sockets that ended, by why', ['reason']),
  logins: counter('gateway', 'logins that were answered: accepted, refused, or busy', ['outcome']),
  lease_held: gauge('gateway', '1 while it may serve, 0 while its lease is in doubt'),
  packets_received: counter('gateway', 'packets from clients', ['command']),
  packets_bad: counter('gateway', 'packets that broke a limit or could not be read'),
  packets_rate_limited: counter('gateway', 'packets above a connection’s rate'),
  packets_delivered: counter('gateway', 'packets of workers that were written to a socket or an HTTP call'),
  packets_missed: counter('gateway', 'packets of workers for a connection that is gone'),
  busy_answers: counter('gateway', 'requests answered with SERVER_BUSY, by command', ['command']),
  requests_pending: gauge('gateway', 'requests of clients that a worker has yet to answer'),
  request_duration_ms: histogram(
    'gateway',
    'from a packet to its answer on the socket; of MSG_DATA: from the sender’s socket to the ack after COMMIT',
    ['command'],
  ),
  outbound_age_ms: histogram(
    'gateway',
    'from the append to a gate’s topic to the write to sockets; the oldest record of each batch',
  ),
  delivery_age_ms: histogram(
    'gateway',
    'from COMMIT of a message to the write to a reader’s socket, by the clocks of both; one message of each batch, first deliveries only',
  ),
  ack_delay_ms: histogram(
    'gateway',
    'from the write of a message to a device to its ack; one message at a time is followed',
  ),
  http_responses: counter('gateway', 'answers to HTTP calls', ['method', 'route', 'status']),
  http_duration_ms: histogram('gateway', 'from an HTTP call to the end of its answer', ['method']),
  http_auth_failures: counter('gateway', 'HTTP calls with a wrong key or token'),

  worker_events: counter('workers', 'events that were handled', ['worker']),
  worker_emitted: counter('workers', 'events that followed from them', ['worker']),
  worker_batch_events: histogram('workers', 'events in a batch', ['worker'], counts),
  worker_batch_duration_ms: histogram('workers', 'from the begin of a batch to its last publication', [
    'worker',
  ]),
  worker_event_age_ms: histogram(
    'workers',
    'from the append of an event to the end of its batch; the first event of each batch',
    ['worker'],
  ),
  dead_letters: counter('workers', 'events that can never be used, see docs/operations.md', ['worker']),
  retention_removed: counter(
    'workers',
    'rows that were removed since they were too old, by what they were; of messages: messages, with all their rows',
    ['kind'],
  ),
  push_notifications: counter(
    'workers',
    'notifications to devices, by what became of a round: sent, refused, suppressed, pending (tried again), failed',
    ['provider', 'outcome'],
  ),
  push_duration_ms: histogram('workers', 'calls of providers for one notification, repeats included'),
  push_age_ms: histogram(
    'workers',
    'from a message to its notification’s acceptance by the provider, waiting for further rounds included',
    [],
    [100, 500, 1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 3_600_000],
  ),
  push_dead_tokens: counter('workers', 'tokens that a provider called dead, and that were removed', [
    'provider',
  ]),

  webhook_before_send: counter('workers', 'answers of the webhook that is asked before a message is stored', [
    'verdict',
  ]),
  webhook_before_send_duration_ms: histogram('workers', 'calls of the webhook before a message is stored'),
  webhook_events: counter('workers', 'calls of the webhooks that are told what has happened', [
    'kind',
    'outcome',
  ]),
  webhook_away: gauge(
    'workers',
    '1 while the address for such events takes nothing: but for one event now and then they wait on their topic',
    ['kind'],
  ),
  webhook_events_duration_ms: histogram('workers', 'calls of the webhooks that are told what has happened'),

  bus_lag_records: gauge(
    'every process',
    'records that are not handled yet in this process’s partitions; delay topics hold theirs on purpose',
    ['group'],
  ),
  bus_batch_failures: counter('every process', 'batches that failed and came again', ['group']),
  bus_queued_records: gauge('every process', 'records that wait to be sent', ['producer']),
  bus_sent_records: counter('every process', 'records that all replicas have acked', ['producer']),
  bus_send_duration_ms: histogram('every process', 'from a send to the ack of all replicas', ['producer']),
  bus_send_failures: counter('every process', 'sends that failed; their records may be there', ['producer']),
  database_connections: gauge('workers', 'connections to PostgreSQL, busy or idle', ['state']),
  database_waiting: gauge('workers', 'statements that wait for a connection'),
  redis_connected: gauge('every process', '1 while Redis is connected'),
  certificate_expires_in_seconds: gauge(
    'every process',
    'until a certificate of ours ends, by the setting that names its file; negative: it is over',
    ['setting'],
  ),
  clock_ahead_ms: gauge(
    'every process',
    'how far this machine’s clock is before that of Redis; negative: behind',
  ),
  trace_spans: counter(
    'every process',
    'spans of traces: exported to the collector, failed on the way to it, or dropped since too many waited',
    ['outcome'],
  ),
  role_ready: gauge('every process', '1 while the role has its partitions and works', ['role']),
  build: gauge('every process', 'always 1; names the release', ['version', 'node']),
} as const

export type MetricName = keyof typeof metrics

type NameOf<K extends Kind> = {
  [N in MetricName]: (typeof metrics)[N] extends Metric<K> ? N : never
}[MetricName]
export type CounterName = NameOf<'counter'>
export type GaugeName = NameOf<'gauge'>
export type HistogramName = NameOf<'histogram'>

type LabelOf<N extends MetricName> = (typeof metrics)[N]['labels'][number]
export type LabelsOf<N extends MetricName> = Readonly<Record<LabelOf<N>, string>>
type LabelsFirst<N extends MetricName, Rest extends unknown[]> = [LabelOf<N>] extends [never]
  ? [labels?: undefined, ...Rest]
  : [labels: LabelsOf<N>, ...Rest]

/** The port: who counts knows no more of metrics than this. */
export interface Metrics {
  /** Adds to a counter. On hot paths the labels should be the same object again and again. */
  count<N extends CounterName>(name: N, ...rest: LabelsFirst<N, [by?: number]>): void
  /** Notes one value, in the unit of the name. */
  observe<N extends HistogramName>(name: N, value: number, ...rest: LabelsFirst<N, []>): void
  /** Registers values that are read when somebody asks. */
  gauge<N extends GaugeName>(name: N, read: GaugeReader<N>): void
}

/** One value, or one per set of labels. */
export type GaugeReader<N extends GaugeName> = () => [LabelOf<N>] extends [never]
  ? number
  : Iterable<readonly [LabelsOf<N>, number]>

/** Before each of them. */
const metricPrefix = 'coffeechat_'

/** As Prometheus sees it. */
export const exposedName = (name: MetricName): string =>
  `${metricPrefix}${name}${metrics[name].kind === 'counter' ? '_total' : ''}`
