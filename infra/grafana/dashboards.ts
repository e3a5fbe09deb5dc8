/** The dashboards of Grafana as code. `npm run dashboards` writes them to infra/grafana/dashboards. */
import { exposedName, type HistogramName, type MetricName } from '../../schemas/metrics.js'
import { type Dashboard, dashboard, type Panel } from './panels.js'

/** Answers that workers give to packets are requests; the rest is heartbeats and acks. */
const requests = 'command!~"HEARTBEAT|MSG_DATA_ACK|PUSH_DATA_ACK"'
/** Groups of delay topics hold records on purpose. */
const prompt = 'group!~".*-[0-9]+s"'

const of = (name: MetricName, matchers = ''): string =>
  matchers === '' ? exposedName(name) : `${exposedName(name)}{${matchers}}`

const rate = (name: MetricName, by = '', matchers = ''): string =>
  `sum${by === '' ? '' : ` by (${by})`} (rate(${of(name, matchers)}[$__rate_interval]))`

const sum = (name: MetricName, by = '', matchers = ''): string =>
  `sum${by === '' ? '' : ` by (${by})`} (${of(name, matchers)})`

const quantile = (share: number, name: HistogramName, by = '', matchers = ''): string => {
  const braces = matchers === '' ? '' : `{${matchers}}`
  const labels = by === '' ? 'le' : `le, ${by}`
  return `histogram_quantile(${share}, sum by (${labels}) (rate(${exposedName(name)}_bucket${braces}[$__rate_interval])))`
}

/** p50 and p99 of a stage. */
const spread = (title: string, name: HistogramName, matchers = ''): Panel => ({
  title,
  unit: 'ms',
  queries: [
    [quantile(0.5, name, '', matchers), 'p50'],
    [quantile(0.99, name, '', matchers), 'p99'],
  ],
})

const lines = (title: string, unit: string, ...queries: Panel['queries']): Panel => ({ title, unit, queries })

const isItWell = dashboard('coffeechat-well', 'CoffeeChat: is it well?', [
  lines('alerts that fire', 'short', ['sum by (alertname) (ALERTS{alertstate="firing"})', '{{alertname}}']),
  lines('connections', 'short', [sum('connections'), 'all']),
  lines(
    'messages',
    'ops',
    [rate('packets_received', '', 'command="MSG_DATA"'), 'sent'],
    [rate('worker_events', '', 'worker="message-store"'), 'stored'],
  ),
  spread('socket → stored and acked', 'request_duration_ms', 'command="MSG_DATA"'),
  spread('stored → at the reader’s socket', 'delivery_age_ms'),
  lines('answered with SERVER_BUSY', 'percentunit', [
    `${rate('busy_answers')} / ${rate('packets_received', '', requests)}`,
    'of requests',
  ]),
  lines('lag', 'short', [sum('bus_lag_records', 'group', prompt), '{{group}}']),
  lines('dead letters', 'ops', [rate('dead_letters', 'worker'), '{{worker}}']),
  lines('roles that are not ready', 'short', ['min by (role) (coffeechat_role_ready) == 0', '{{role}}']),
  lines('releases', 'short', ['count by (version) (coffeechat_build)', '{{version}}']),
])

const stages = dashboard('coffeechat-stages', 'CoffeeChat: the stages of a message', [
  spread('1 socket → ack to the sender (stored)', 'request_duration_ms', 'command="MSG_DATA"'),
  spread('2 gateway → bus', 'bus_send_duration_ms', 'producer="gateway"'),
  spread('3 bus → stored', 'worker_event_age_ms', 'worker="message-store"'),
  spread('4 stored → delivery decided', 'worker_event_age_ms', 'worker="delivery"'),
  spread('4 of groups: stored → members known', 'worker_event_age_ms', 'worker="group-fanout"'),
  spread('5 gate’s topic → sockets', 'outbound_age_ms'),
  spread('1 … 5 stored → at the reader’s socket', 'delivery_age_ms'),
  spread('6 written → acked by the device', 'ack_delay_ms'),
  spread('7 ack → kept', 'worker_event_age_ms', 'worker="ack-tracker"'),
  lines(
    'events per second',
    'ops',
    [rate('worker_events', 'worker', 'worker=~"message-store|delivery|ack-tracker"'), '{{worker}}'],
    [rate('packets_delivered'), 'written'],
    [rate('packets_missed'), 'missed'],
  ),
])

const gateways = dashboard('coffeechat-gateways', 'CoffeeChat: gateways', [
  lines('connections', 'short', [sum('connections', 'instance'), '{{instance}}']),
  lines(
    'opened and closed',
    'ops',
    [rate('connections_opened'), 'opened'],
    [rate('connections_closed', 'reason'), 'closed: {{reason}}'],
  ),
  lines('logins', 'ops', [rate('logins', 'outcome'), '{{outcome}}']),
  lines('packets from clients', 'ops', [rate('packets_received', 'command'), '{{command}}']),
  lines('p99 of answers', 'ms', [quantile(0.99, 'request_duration_ms', 'command'), '{{command}}']),
  lines('requests that wait for a worker', 'short', [sum('requests_pending', 'instance'), '{{instance}}']),
  lines(
    'trouble with clients',
    'ops',
    [rate('packets_bad'), 'bad packets'],
    [rate('packets_rate_limited'), 'above their rate'],
    [rate('http_auth_failures'), 'wrong keys over HTTP'],
  ),
  lines('HTTP calls', 'ops', [rate('http_responses', 'status'), '{{status}}']),
  lines('p99 of HTTP calls', 'ms', [quantile(0.99, 'http_duration_ms', 'method'), '{{method}}']),
  lines('until certificates end', 's', [
    'min by (setting) (coffeechat_certificate_expires_in_seconds)',
    '{{setting}}',
  ]),
  lines('lease held', 'short', ['min by (instance) (coffeechat_lease_held)', '{{instance}}']),
  lines('event loop late (p99)', 's', ['nodejs_eventloop_lag_p99_seconds', '{{instance}}']),
  lines('memory', 'bytes', ['process_resident_memory_bytes', '{{instance}}']),
  lines('CPU', 'percentunit', ['rate(process_cpu_seconds_total[$__rate_interval])', '{{instance}}']),
])

const bus = dashboard('coffeechat-bus', 'CoffeeChat: bus and workers', [
  lines('lag', 'short', [sum('bus_lag_records', 'group', prompt), '{{group}}']),
  lines('records in delay topics', 'short', [
    sum('bus_lag_records', 'group', 'group=~".*-[0-9]+s"'),
    '{{group}}',
  ]),
  lines('events', 'ops', [rate('worker_events', 'worker'), '{{worker}}']),
  lines('events in a batch (p50)', 'short', [quantile(0.5, 'worker_batch_events', 'worker'), '{{worker}}']),
  lines('batch (p99)', 'ms', [quantile(0.99, 'worker_batch_duration_ms', 'worker'), '{{worker}}']),
  lines('age of events (p99)', 'ms', [quantile(0.99, 'worker_event_age_ms', 'worker'), '{{worker}}']),
  lines('batches that failed', 'ops', [rate('bus_batch_failures', 'group'), '{{group}}']),
  lines('records sent', 'ops', [rate('bus_sent_records', 'producer'), '{{producer}}']),
  lines('send (p99)', 'ms', [quantile(0.99, 'bus_send_duration_ms', 'producer'), '{{producer}}']),
  lines('records that wait to be sent', 'short', [sum('bus_queued_records', 'producer'), '{{producer}}']),
  lines('sends that failed', 'ops', [rate('bus_send_failures', 'producer'), '{{producer}}']),
  lines('events that followed', 'ops', [rate('worker_emitted', 'worker'), '{{worker}}']),
  lines('PostgreSQL connections', 'short', [
    sum('database_connections', 'instance, state'),
    '{{instance}} {{state}}',
  ]),
  lines('statements that wait', 'short', [sum('database_waiting', 'instance'), '{{instance}}']),
  lines('Redis connected', 'short', ['min by (instance) (coffeechat_redis_connected)', '{{instance}}']),
])

const push = dashboard('coffeechat-push', 'CoffeeChat: push', [
  lines('notifications', 'ops', [rate('push_notifications', 'outcome'), '{{outcome}}']),
  lines('by provider', 'ops', [rate('push_notifications', 'provider, outcome'), '{{provider}} {{outcome}}']),
  spread('calls of providers', 'push_duration_ms'),
  lines('lag', 'short', [sum('bus_lag_records', 'group', 'group=~"offline-push.*"'), '{{group}}']),
  lines('given up', 'ops', [rate('dead_letters', 'worker', 'worker=~"offline-push.*"'), '{{worker}}']),
  spread('message → accepted by the provider', 'push_age_ms'),
  lines('tried again', 'ops', [rate('push_notifications', 'provider', 'outcome="pending"'), '{{provider}}']),
  lines('dead tokens', 'ops', [rate('push_dead_tokens', 'provider'), '{{provider}}']),
  lines('pushes of businesses', 'ops', [
    rate('worker_events', 'worker', 'worker=~"s2c-push|push-.*"'),
    '{{worker}}',
  ]),
  lines('webhooks: posts', 'ops', [rate('webhook_events', 'kind, outcome'), '{{kind}} {{outcome}}']),
  lines('webhooks: addresses that take nothing', 'short', [
    'max by (kind) (coffeechat_webhook_away)',
    '{{kind}}',
  ]),
  lines('webhooks: events that wait', 'short', [
    sum('bus_lag_records', 'group', 'group=~"webhook-.*"'),
    '{{group}}',
  ]),
  spread('webhooks: one post', 'webhook_events_duration_ms'),
  lines('webhook before sending', 'ops', [rate('webhook_before_send', 'verdict'), '{{verdict}}']),
])

/** Every dashboard by the name of its file. */
export const dashboards: Readonly<Record<string, Dashboard>> = {
  'is-it-well': isItWell,
  stages,
  gateways,
  bus,
  push,
}
