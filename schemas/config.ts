/**
 * Every setting, its meaning, range and default: the only place that names environment variables.
 * `.env.example` and `npm start -- --help` are generated from it.
 */
import { z } from 'zod'
import { contradictions } from './contradictions.js'
import { databaseSettings } from './database-settings.js'
import { kafkaSettings } from './kafka-settings.js'
import { logSettings } from './log-settings.js'
import { redisSettings } from './redis-settings.js'
import { retentionSettings } from './retention-settings.js'
import {
  adapter,
  bytes,
  count,
  cron,
  delays,
  flag,
  httpsOrigin,
  list,
  ms,
  port,
  providerNames,
  setting,
} from './setting.js'
import { topicSettings } from './topic-settings.js'
import { tracingSettings } from './tracing-settings.js'
import { webhookSettings } from './webhook-settings.js'

export const settings = {
  PROFILE: setting(
    z.enum(['local', 'production']),
    'local',
    'local (everything on loopback, secrets made for you) or production',
  ),
  ROLES: setting(list, 'all', 'the roles that this process runs, comma-separated'),
  HOST: setting(z.string().min(1), '127.0.0.1', 'address that the listeners bind to'),
  TCP_PORT: setting(port, '8000', 'the binary protocol over TCP'),
  TLS_PORT: setting(port, '8443', 'the binary protocol over TLS; only with a certificate'),
  HTTP_PORT: setting(port, '8080', 'REST API, WebSocket (/ws), health and metrics'),
  METRICS_PORT: setting(
    port.optional(),
    undefined,
    'health and metrics of a process without a gateway, and of a gateway beyond loopback; 0 is any free one',
  ),
  METRICS_HOST: setting(
    z.string().min(1).optional(),
    undefined,
    'address that METRICS_PORT binds to; HOST where it is not set',
  ),
  TLS_CERT: setting(z.string().optional(), undefined, 'certificate file (PEM); read again when it changes'),
  TLS_KEY: setting(z.string().optional(), undefined, 'its private key file (PEM)'),
  ADVERTISED_TCP: setting(z.string().optional(), undefined, 'host:port that clients are told for TCP'),
  ADVERTISED_TLS: setting(z.string().optional(), undefined, 'host:port that clients are told for TLS'),
  ADVERTISED_WS: setting(z.string().optional(), undefined, 'ws:// address that clients are told'),
  ADVERTISED_WSS: setting(z.string().optional(), undefined, 'wss:// address that clients are told'),
  ALLOWED_ORIGINS: setting(
    list,
    '',
    'pages beside our own that may open a WebSocket and call the REST API with a user token: https://host; * is any',
  ),
  TRUSTED_PROXIES: setting(list, '', 'addresses whose PROXY header or X-Forwarded-For is believed'),

  ...kafkaSettings,
  ...databaseSettings,
  ...redisSettings,
  ...topicSettings,

  API_KEY: setting(list, '', 'keys of app servers, comma-separated (required in production)'),
  TOKEN_SECRET: setting(
    list,
    '',
    'secrets of user tokens, comma-separated: the first signs, all verify (required in production)',
  ),
  GATE_ID: setting(
    z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/)
      .optional(),
    undefined,
    "this gateway's stable name",
  ),
  DATA_DIR: setting(z.string().min(1), '.data', 'state of the local stack'),

  MAX_PACKET_BYTES: setting(bytes(1_024, 16_777_216), '65536', 'largest packet that a client may send'),
  MAX_RESPONSE_BYTES: setting(bytes(65_536, 5_242_880), '4194304', 'largest answer'),
  MAX_MESSAGE_BYTES: setting(bytes(1, 1_048_576), '32768', 'largest msg_data'),
  MAX_SEND_BUFFER_BYTES: setting(
    bytes(65_536, 268_435_456),
    '1048576',
    'unsent bytes above which a slow reader is closed',
  ),
  MAX_HTTP_BODY_BYTES: setting(bytes(1_024, 104_857_600), '5242880', 'largest HTTP body other than files'),
  AUTH_TIMEOUT_MS: setting(ms(100, 600_000), '10000', 'time from connect to AUTH_TOKEN_REQ'),
  HEARTBEAT_TIMEOUT_MS: setting(ms(1_000, 3_600_000), '60000', 'silence after which a connection is closed'),
  RATE_LIMIT_PACKETS: setting(
    count(1, 1_000_000),
    '50',
    'packets a second on a connection; burst twice that',
  ),
  RATE_LIMIT_ACKS: setting(count(1, 1_000_000), '2000', 'heartbeats and acks a second on a connection'),
  RATE_LIMIT_CONNECTIONS: setting(
    count(1, 1_000_000),
    '50',
    'new connections a second from one address; burst four times that',
  ),
  MESSAGE_ACK_TIMEOUT_MS: setting(ms(100, 10_000), '8000', 'no answer from a worker by then: SERVER_BUSY'),
  LOGIN_POLICY: setting(
    z.enum(['one-per-type', 'one-per-class', 'single', 'unlimited']),
    'one-per-type',
    'which devices of one user may be online together',
  ),
  MIN_CLIENT_VERSION: setting(z.string().optional(), undefined, 'older clients are refused (dotted numbers)'),
  SEND_NICK_NAME: setting(flag, 'false', "put the sender's nick name into every delivered message"),
  HISTORY_LIMIT_DEFAULT: setting(count(1, 100), '20', 'page of history when the client asks for 0'),
  HISTORY_LIMIT_MAX: setting(count(1, 100), '100', 'largest page of history'),

  STRANGER_POLICY: setting(
    z.enum(['anyone', 'friends', 'organization']),
    'anyone',
    'who may write to a user in a single chat: anyone, friends, or who is in the org tree with them; robots always may, and to them all',
  ),
  BLOCKLIST_ON_INVITE: setting(flag, 'true', 'who blocked somebody is not brought into groups by them'),
  FILE_STORE: setting(
    z.enum(['folder', 's3']),
    'folder',
    'where files lie: folder (which all gateways and the files role share), or s3',
  ),
  FILE_DIR: setting(z.string().optional(), undefined, 'that folder; files in DATA_DIR where it is not set'),
  FILE_MAX_BYTES: setting(bytes(1, 5_368_709_120), '52428800', 'largest file that may be uploaded'),
  FILE_TYPES: setting(
    list.pipe(
      z.array(z.string().regex(/^(\*|[a-z]+\/(\*|[a-z0-9.+-]+))$/, 'like image/*, application/pdf or *')),
    ),
    '*',
    'media types that may be uploaded, by their content: image/*, application/pdf, *',
  ),
  FILE_USER_DAILY_BYTES: setting(
    bytes(1, 1_000_000_000_000_000),
    '1073741824',
    'what one user may upload within 24 hours',
  ),
  FILE_UPLOAD_TIMEOUT_MS: setting(ms(15_000, 86_400_000), '600000', 'longest time that one upload may take'),
  FILE_UNUSED_MS: setting(
    ms(1_000, 31_536_000_000),
    '86400000',
    'how long a file is kept that no message names',
  ),
  FILE_SWEEP_CRON: setting(cron, '0 41 * * * *', 'when files that no message names are removed'),
  S3_BUCKET: setting(z.string().optional(), undefined, 'bucket for files, with FILE_STORE=s3'),
  S3_PREFIX: setting(z.string(), 'files/', 'before the key of each file'),
  S3_REGION: setting(z.string().min(1), 'us-east-1', 'region of the bucket'),
  S3_ENDPOINT: setting(
    z.url({ protocol: /^https?$/ }).optional(),
    undefined,
    "address of an S3 that is not Amazon's",
  ),
  S3_PATH_STYLE: setting(
    flag,
    'false',
    'the bucket in the path, not in the host name: for most such servers',
  ),
  S3_ACCESS_KEY_ID: setting(
    z.string().optional(),
    undefined,
    'key for the bucket; without it the AWS SDK looks where it always does',
  ),
  S3_SECRET_ACCESS_KEY: setting(z.string().optional(), undefined, 'its secret'),

  GROUP_NORMAL_MAX: setting(count(1, 100_000), '200', 'members above which a group is a SUPER group'),
  GROUP_SUPER_MAX: setting(count(1, 100_000), '10000', 'members that a group may have at most'),
  GROUP_JOIN_OPEN_MAX: setting(
    count(1, 100_000),
    '1000',
    'applications and invitations that may wait for an answer in one group',
  ),
  GROUP_JOIN_EXPIRES_MS: setting(
    ms(1_000, 31_536_000_000),
    '604800000',
    'an application or invitation that nobody has answered by then is void',
  ),
  GROUP_WRITE_DIFFUSION_MAX: setting(
    count(0, 100_000),
    '500',
    'members above which a message gives its readers no rows; judged at each change of a group',
  ),

  ACK_FLUSH_CRON: setting(cron, '*/10 * * * * *', 'when acks go from Redis to PostgreSQL'),
  DELIVERY_CHECK_DELAYS_MS: setting(delays, '5000,15000,60000', 'delays of the three delivery checks'),
  ROBOT_RETRY_DELAYS_MS: setting(
    delays,
    '5000,30000,120000',
    'delays after which a robot that did not answer is asked again',
  ),
  PUSH_RETRY_DELAYS_MS: setting(
    delays,
    '10000,60000,600000',
    'delays after which a notification is tried again; the last one repeats',
  ),
  PUSH_RETRIES: setting(
    count(0, 100),
    '8',
    'how often a notification is tried again, then it is a dead letter',
  ),
  PUSH_RATE_PER_MINUTE: setting(count(1, 100_000), '60', 'notifications a minute that one device is shown'),
  DELIVERY_MAX_AGE_MS: setting(ms(1_000, 604_800_000), '86400000', 'older messages are not delivered again'),
  LEASE_MS: setting(ms(1_000, 60_000), '12000', "a gateway's lease; renewed every third of it"),
  DRAIN_MS: setting(ms(0, 600_000), '5000', 'over how long a stopping gateway spreads its clients'),
  PUSH_STORE_MS: setting(
    ms(1_000, 2_592_000_000),
    '604800000',
    'how long a push of a business without a ttl is stored for who is offline',
  ),
  PUSH_BROADCAST_RATE: setting(
    count(100, 1_000_000),
    '20000',
    'connections a second that each gate writes a push to everyone online to',
  ),
  PUSH_PROVIDER: setting(
    adapter,
    'log',
    'where offline push goes for tokens whose provider PUSH_PROVIDERS does not name: apns, fcm, webhook or log',
  ),
  PUSH_PROVIDERS: setting(
    providerNames,
    '',
    'names of providers and where they go: apns, fcm, webhook, log or the address of a webhook of its own (huawei=https://…,ios=apns)',
  ),
  APNS_KEY_FILE: setting(
    z.string().optional(),
    undefined,
    "Apple's signing key (.p8) for push notifications",
  ),
  APNS_KEY_ID: setting(z.string().optional(), undefined, 'id of that key'),
  APNS_TEAM_ID: setting(z.string().optional(), undefined, "id of the developer's team that owns the key"),
  APNS_TOPIC: setting(z.string().optional(), undefined, "the app's bundle id"),
  APNS_URL: setting(
    httpsOrigin,
    'https://api.push.apple.com',
    'where Apple takes notifications; for apps under development https://api.sandbox.push.apple.com',
  ),
  FCM_SERVICE_ACCOUNT_FILE: setting(
    z.string().optional(),
    undefined,
    "JSON file of the Firebase project's service account",
  ),
  FCM_URL: setting(httpsOrigin, 'https://fcm.googleapis.com', 'where Firebase takes notifications'),
  PUSH_WEBHOOK_URL: setting(z.url().optional(), undefined, 'where the webhook provider posts notifications'),
  PUSH_WEBHOOK_SECRET: setting(z.string().optional(), undefined, 'signs those posts (HMAC-SHA-256)'),
  PUSH_PREVIEW: setting(flag, 'true', 'show the text in notifications'),
  ...webhookSettings,
  ...retentionSettings,
  ...tracingSettings,
  ...logSettings,
} as const

type Settings = typeof settings
/** Every setting by its name, parsed. Times in ms, sizes in bytes. */
export type Config = { readonly [K in keyof Settings]: z.output<Settings[K]['schema']> }

/** Lists every fault at once: which setting, what is wrong, what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  constructor(readonly faults: readonly string[]) {
    super(`The configuration is not valid:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
  }
}

/** Settings that no log, no ConfigMap and no error may show. */
export const secretSettings: ReadonlySet<string> = new Set([
  'API_KEY',
  'TOKEN_SECRET',
  'DATABASE_URL',
  'DATABASE_MIGRATION_URL',
  'REDIS_URL',
  'REDIS_PASSWORD',
  'REDIS_SENTINEL_PASSWORD',
  'KAFKA_SASL_PASSWORD',
  'PUSH_WEBHOOK_SECRET',
  'S3_SECRET_ACCESS_KEY',
  'WEBHOOK_BEFORE_SEND_SECRET',
  'WEBHOOK_EVENTS_SECRET',
  'OTEL_EXPORTER_OTLP_HEADERS',
  // Addresses of webhooks often have a token in them.
  'WEBHOOK_BEFORE_SEND_URL',
  'WEBHOOK_EVENTS_URL',
  'WEBHOOK_EVENTS_ROUTES',
])
/**
 * Reads and checks all settings. An empty value counts as not set.
 * @throws ConfigError with every fault found
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const faults: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, { schema, fallback }] of Object.entries(settings)) {
    const raw = env[name] === undefined || env[name] === '' ? fallback : env[name]
    const parsed = schema.safeParse(raw)
    if (parsed.success) values[name] = parsed.data
    else {
      const shown = secretSettings.has(name) ? '' : `=${raw}`
      faults.push(`${name}${shown}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}`)
    }
  }
  if (faults.length > 0) throw new ConfigError(faults)
  const config = values as Config
  const wrong = contradictions(config, env)
  if (wrong.length > 0) throw new ConfigError(wrong)
  return config
}
