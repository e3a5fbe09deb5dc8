/** Settings of the brokers and of the topics on them (docs/operate/kafka.md). Part of config.ts. */
import { z } from 'zod'
import { count, flag, list, setting } from './setting.js'

const text = z.string().optional()

export const kafkaSettings = {
  KAFKA_BROKERS: setting(
    list.pipe(z.array(z.string().regex(/^[^\s:]+:\d{1,5}$|^\[[\da-f:]+\]:\d{1,5}$/i, 'host:port each'))),
    '',
    'host:port, comma-separated',
  ),
  KAFKA_TLS: setting(flag, 'false', 'TLS to the brokers'),
  KAFKA_TLS_CA: setting(
    text,
    undefined,
    "file (PEM) with the authorities that the brokers' certificates come from; those that Node trusts where it is not set",
  ),
  KAFKA_TLS_CERT: setting(
    text,
    undefined,
    'our certificate file (PEM), where the brokers want one (mutual TLS)',
  ),
  KAFKA_TLS_KEY: setting(text, undefined, 'its private key file (PEM)'),
  KAFKA_TLS_SERVERNAME: setting(
    text,
    undefined,
    "name that the brokers' certificates have to be for; the host that is connected to where it is not set",
  ),
  KAFKA_SASL_MECHANISM: setting(
    z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).optional(),
    undefined,
    'how to log in to the brokers',
  ),
  KAFKA_SASL_USERNAME: setting(text, undefined, 'user for the brokers'),
  KAFKA_SASL_PASSWORD: setting(text, undefined, 'password for the brokers'),
  TOPIC_PREFIX: setting(
    z.string().regex(/^[a-z0-9._-]*$/),
    'im.',
    'before every topic, consumer group, gate id and Redis key',
  ),
  TOPIC_PARTITIONS: setting(count(1, 256), '4', 'partitions of the busy topics, when they are made'),
  TOPIC_REPLICATION: setting(count(1, 10), '1', 'replication factor of the topics, when they are made'),
  TOPIC_MIN_INSYNC_REPLICAS: setting(
    count(1, 10).optional(),
    undefined,
    'copies that must have a record before it counts as written, of topics when they are made; one less than TOPIC_REPLICATION where it is not set',
  ),
} as const

type Settings = typeof kafkaSettings
type KafkaConfig = { readonly [K in keyof Settings]: z.output<Settings[K]['schema']> }

/** min.insync.replicas of the topics: one broker may be away, and what was acked is still on another. */
export const minInSyncReplicas = ({
  TOPIC_MIN_INSYNC_REPLICAS,
  TOPIC_REPLICATION,
}: Pick<KafkaConfig, 'TOPIC_MIN_INSYNC_REPLICAS' | 'TOPIC_REPLICATION'>): number =>
  TOPIC_MIN_INSYNC_REPLICAS ?? Math.max(1, TOPIC_REPLICATION - 1)

const onlyWithTls = ['KAFKA_TLS_CA', 'KAFKA_TLS_CERT', 'KAFKA_TLS_KEY', 'KAFKA_TLS_SERVERNAME'] as const

/** What each setting's value alone cannot show. */
export function kafkaContradictions(config: KafkaConfig): string[] {
  const faults: string[] = []
  const tls = onlyWithTls.filter((name) => config[name] !== undefined)
  if (!config.KAFKA_TLS && tls.length > 0)
    faults.push(`${tls.join(', ')} without KAFKA_TLS: set KAFKA_TLS=true, or unset the rest`)
  if ((config.KAFKA_TLS_CERT === undefined) !== (config.KAFKA_TLS_KEY === undefined))
    faults.push('KAFKA_TLS_CERT and KAFKA_TLS_KEY go together: set both or neither')
  const credentials = (['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'] as const).filter(
    (name) => config[name] === undefined,
  )
  if (config.KAFKA_SASL_MECHANISM !== undefined && credentials.length > 0)
    faults.push(`KAFKA_SASL_MECHANISM=${config.KAFKA_SASL_MECHANISM} needs ${credentials.join(' and ')}`)
  if (minInSyncReplicas(config) > config.TOPIC_REPLICATION)
    faults.push(
      `TOPIC_MIN_INSYNC_REPLICAS=${config.TOPIC_MIN_INSYNC_REPLICAS} is above TOPIC_REPLICATION=${config.TOPIC_REPLICATION}: nothing could ever be written`,
    )
  return faults
}
