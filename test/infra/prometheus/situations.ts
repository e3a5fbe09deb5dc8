/** For each alert what it looks like when it should fire, and something like it when it should not. */

/** Series as promtool takes them: the name with its labels, and values one minute apart. */
type Series = Readonly<Record<string, string>>

export interface Situation {
  readonly ill: Series
  readonly well: Series
}

const job = 'job="coffeechat", instance="a:9100"'
const sixHours = '1+0x360'

/** A histogram with so many observations a minute below and above one bound. */
const buckets = (name: string, labels: string, bound: number, below: number, above: number): Series => ({
  [`${name}_bucket{${labels}le="${bound}"}`]: `0+${below}x60`,
  [`${name}_bucket{${labels}le="30000"}`]: `0+${below + above}x60`,
  [`${name}_bucket{${labels}le="+Inf"}`]: `0+${below + above}x60`,
})

const perMinute = (...counts: readonly (readonly [series: string, count: number])[]): Series =>
  Object.fromEntries(counts.map(([series, count]) => [series, `0+${count}x60`]))

const notifications = (pending: number, sent: number): Series =>
  perMinute(
    ['coffeechat_push_notifications_total{provider="apns", outcome="pending"}', pending],
    ['coffeechat_push_notifications_total{provider="apns", outcome="sent"}', sent],
    ['coffeechat_push_notifications_total{provider="apns", outcome="suppressed"}', 1_000],
  )

const posts = (notTaken: number, taken: number, notCalled = 0): Series =>
  perMinute(
    ['coffeechat_webhook_events_total{kind="message", outcome="not-taken"}', notTaken],
    ['coffeechat_webhook_events_total{kind="message", outcome="taken"}', taken],
    ['coffeechat_webhook_events_total{kind="message", outcome="not-called"}', notCalled],
  )

const verdicts = (none: number, allow: number): Series =>
  perMinute(
    ['coffeechat_webhook_before_send_total{verdict="no-answer"}', none],
    ['coffeechat_webhook_before_send_total{verdict="allow"}', allow],
  )

const logins = (refused: number, accepted: number): Series =>
  perMinute(
    ['coffeechat_logins_total{outcome="refused"}', refused],
    ['coffeechat_logins_total{outcome="accepted"}', accepted],
  )

export const situations: Readonly<Record<string, Situation>> = {
  ProcessDown: { ill: { [`up{${job}}`]: '1x3 0x60' }, well: { [`up{${job}}`]: '1x60' } },
  RoleMissing: {
    ill: { [`coffeechat_role_ready{role="delivery", ${job}}`]: '1x30 0x30' },
    well: {
      [`coffeechat_role_ready{role="delivery", ${job}}`]: '1x30 0x30',
      'coffeechat_role_ready{role="delivery", instance="b:9100"}': '1x60',
    },
  },
  RestartLoop: {
    ill: { [`process_start_time_seconds{${job}}`]: '0+60x60' },
    well: { [`process_start_time_seconds{${job}}`]: '100x50 700x10' },
  },
  LeaseInDoubt: {
    ill: { 'coffeechat_lease_held{}': '1x50 0x10' },
    well: { 'coffeechat_lease_held{}': '1x60' },
  },
  ClockWrong: {
    ill: { 'coffeechat_clock_ahead_ms{}': '-300000x60' },
    well: { 'coffeechat_clock_ahead_ms{}': '4000x60' },
  },
  CertificateExpires: {
    ill: { 'coffeechat_certificate_expires_in_seconds{setting="TLS_CERT"}': '605000-60x60' },
    well: { 'coffeechat_certificate_expires_in_seconds{setting="TLS_CERT"}': '700000-60x60' },
  },
  RedisAway: {
    ill: { 'coffeechat_redis_connected{}': '1x50 0x10' },
    well: { 'coffeechat_redis_connected{}': '1x60' },
  },
  DatabaseWaits: {
    ill: { 'coffeechat_database_waiting{}': '9x60' },
    well: { 'coffeechat_database_waiting{}': '0x58 9x2' },
  },
  ServerBusy: {
    ill: perMinute(
      ['coffeechat_busy_answers_total{command="MSG_DATA"}', 3],
      ['coffeechat_packets_received_total{command="MSG_DATA"}', 100],
      ['coffeechat_packets_received_total{command="HEARTBEAT"}', 10_000],
    ),
    well: perMinute(
      ['coffeechat_busy_answers_total{command="MSG_DATA"}', 1],
      ['coffeechat_packets_received_total{command="MSG_DATA"}', 1_000],
    ),
  },
  SlowToStore: {
    ill: buckets('coffeechat_request_duration_ms', 'command="MSG_DATA", ', 500, 90, 10),
    well: buckets('coffeechat_request_duration_ms', 'command="MSG_LIST_REQ", ', 500, 90, 10),
  },
  SlowToDeliver: {
    ill: buckets('coffeechat_delivery_age_ms', '', 1_000, 90, 10),
    well: buckets('coffeechat_delivery_age_ms', '', 1_000, 1_000, 1),
  },
  ConsumerLag: {
    ill: { 'coffeechat_bus_lag_records{group="delivery"}': '9000x60' },
    well: {
      'coffeechat_bus_lag_records{group="delivery-check-60s"}': '9000x60',
      'coffeechat_bus_lag_records{group="webhook-messages"}': '9000x60',
    },
  },
  ConsumerStuck: {
    ill: {
      'coffeechat_bus_lag_records{group="delivery"}': '3x60',
      'coffeechat_worker_events_total{worker="delivery"}': '50x60',
    },
    well: {
      'coffeechat_bus_lag_records{group="delivery"}': '3x60',
      'coffeechat_worker_events_total{worker="delivery"}': '0+10x60',
    },
  },
  BatchesFail: {
    ill: perMinute(['coffeechat_bus_batch_failures_total{group="delivery"}', 6]),
    well: { 'coffeechat_bus_batch_failures_total{group="delivery"}': '0x50 2x10' },
  },
  SendsFail: {
    ill: perMinute(['coffeechat_bus_send_failures_total{producer="gateway"}', 6]),
    well: { 'coffeechat_bus_send_failures_total{producer="gateway"}': '0x50 2x10' },
  },
  DeadLetters: {
    ill: { 'coffeechat_dead_letters_total{worker="delivery"}': '0x55 1x5' },
    well: { 'coffeechat_dead_letters_total{worker="delivery"}': '7x60' },
  },
  PushesFail: { ill: notifications(30, 70), well: notifications(1, 99) },
  WebhooksFail: { ill: posts(1, 0, 20), well: posts(1, 99, 50) },
  BeforeSendSilent: { ill: verdicts(20, 80), well: verdicts(1, 99) },
  LoginsRefused: { ill: logins(100, 10), well: logins(5, 1) },
  ConnectionsLost: {
    ill: { 'coffeechat_connections{}': '1000x56 500x4' },
    well: { 'coffeechat_connections{}': '90x56 20x4' },
  },
  EventLoopBlocked: {
    ill: { [`nodejs_eventloop_lag_p99_seconds{${job}}`]: '0.4x60' },
    well: { [`nodejs_eventloop_lag_p99_seconds{${job}}`]: '0.01x60' },
  },
  MixedReleases: {
    ill: { 'coffeechat_build{version="1"}': sixHours, 'coffeechat_build{version="2"}': sixHours },
    well: {
      'coffeechat_build{version="1", instance="a"}': sixHours,
      'coffeechat_build{version="1"}': sixHours,
    },
  },
}

/** When each is looked at, minutes after the first values. */
export const lookAfter_min: Readonly<Record<string, number>> = { MixedReleases: 90 }
