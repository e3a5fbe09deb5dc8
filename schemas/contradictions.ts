/** Settings that are right each, and wrong together. */
import type { Config } from './config.js'
import { databaseContradictions } from './database-settings.js'
import { kafkaContradictions } from './kafka-settings.js'
import { misspelt } from './misspelt.js'
import { redisContradictions } from './redis-settings.js'
import { isLoopback } from './setting.js'
import { webhookContradictions } from './webhook-settings.js'

/** What each setting's value alone cannot show. */
export function contradictions(config: Config, env: NodeJS.ProcessEnv): string[] {
  const faults: string[] = []
  const local = config.PROFILE === 'local'
  if (local && !isLoopback(config.HOST) && env.EXPOSE !== 'true')
    faults.push(`HOST=${config.HOST} is beyond loopback: the local profile needs --expose for that`)
  if (local && !isLoopback(config.METRICS_HOST ?? '127.0.0.1') && env.EXPOSE !== 'true')
    faults.push(
      `METRICS_HOST=${config.METRICS_HOST} is beyond loopback: the local profile needs --expose for that`,
    )
  // In the local profile the environment is a person's own, with much else in it: there it is a warning.
  if (!local)
    for (const { name, meant } of misspelt(env, Object.keys(config)))
      faults.push(`${name} is no setting: was ${meant} meant? Unset it where it belongs to something else`)
  if (!local && config.API_KEY.length === 0) faults.push('API_KEY is not set: production needs at least one')
  if (!local && config.TOKEN_SECRET.length === 0)
    faults.push('TOKEN_SECRET is not set: production needs at least one')
  for (const secret of config.TOKEN_SECRET)
    if (secret.length < 16) faults.push('TOKEN_SECRET is shorter than 16 characters')
  if ((config.TLS_CERT === undefined) !== (config.TLS_KEY === undefined))
    faults.push('TLS_CERT and TLS_KEY go together: set both or neither')
  faults.push(
    ...kafkaContradictions(config),
    ...databaseContradictions(config),
    ...redisContradictions(config),
  )
  faults.push(...pushContradictions(config))
  if (config.FILE_UNUSED_MS < config.FILE_UPLOAD_TIMEOUT_MS)
    faults.push('FILE_UNUSED_MS is below FILE_UPLOAD_TIMEOUT_MS: an upload could be removed while it arrives')
  if (config.FILE_USER_DAILY_BYTES < config.FILE_MAX_BYTES)
    faults.push('FILE_USER_DAILY_BYTES is below FILE_MAX_BYTES: the largest file could never be uploaded')
  if (config.FILE_STORE === 's3' && config.S3_BUCKET === undefined)
    faults.push('FILE_STORE=s3 needs S3_BUCKET')
  if ((config.S3_ACCESS_KEY_ID === undefined) !== (config.S3_SECRET_ACCESS_KEY === undefined))
    faults.push('S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY go together: set both or neither')
  faults.push(...webhookContradictions(config))
  if (config.HISTORY_LIMIT_DEFAULT > config.HISTORY_LIMIT_MAX)
    faults.push('HISTORY_LIMIT_DEFAULT is above HISTORY_LIMIT_MAX')
  if (config.MAX_MESSAGE_BYTES + 8_192 > config.MAX_PACKET_BYTES)
    faults.push(
      'MAX_PACKET_BYTES must be at least MAX_MESSAGE_BYTES + 8192, or such a message cannot be sent',
    )
  return faults
}

const apnsNames = ['APNS_KEY_FILE', 'APNS_KEY_ID', 'APNS_TEAM_ID', 'APNS_TOPIC'] as const
/** What an adapter of offline push cannot work without. */
const neededBy = {
  apns: 'APNS_KEY_FILE',
  fcm: 'FCM_SERVICE_ACCOUNT_FILE',
  webhook: 'PUSH_WEBHOOK_URL',
} as const

function pushContradictions(config: Config): string[] {
  const faults: string[] = []
  const missing = apnsNames.filter((name) => config[name] === undefined)
  if (missing.length > 0 && missing.length < apnsNames.length)
    faults.push(`${apnsNames.join(', ')} go together: ${missing.join(', ')} not set`)
  const used: [string, string][] = [
    [`PUSH_PROVIDER=${config.PUSH_PROVIDER}`, config.PUSH_PROVIDER],
    ...[...config.PUSH_PROVIDERS].map(([name, where]): [string, string] => [
      `PUSH_PROVIDERS: ${name}=${where}`,
      where,
    ]),
  ]
  for (const [asked, where] of used) {
    const needed = Object.hasOwn(neededBy, where) ? neededBy[where as keyof typeof neededBy] : undefined
    if (needed !== undefined && config[needed] === undefined) faults.push(`${asked} needs ${needed}`)
  }
  return faults
}
