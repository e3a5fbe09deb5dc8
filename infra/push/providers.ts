/** The push providers that the settings ask for, by the names that push tokens have. */
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type Config, ConfigError } from '../../schemas/config.js'
import type { Logger } from '../../schemas/log.js'
import type { PushProvider } from '../../workers/ports/push.js'
import { createApnsProvider } from './apns.js'
import { createFcmProvider } from './fcm.js'
import type { ServiceAccount } from './google-tokens.js'
import { createLogProvider } from './log.js'
import { createWebhookProvider } from './webhook.js'

/** What `read` makes of a file. @throws ConfigError that names the setting, the file and what is wrong with it */
function fromFile<T>(setting: string, file: string, read: (text: string) => T): T {
  try {
    return read(readFileSync(file, 'utf8'))
  } catch (error) {
    const reason =
      error instanceof z.ZodError
        ? error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
        : (error as Error).message
    throw new ConfigError([`${setting}=${file}: ${reason}`])
  }
}

/** The text of a PEM in PKCS#8 of this kind. @throws Error that says what it is instead, and nothing of the key */
function privateKey(pem: string, kind: 'ec' | 'rsa'): string {
  let type: string | undefined
  try {
    type = createPrivateKey(pem).asymmetricKeyType
  } catch {
    throw new Error('not a private key in PEM')
  }
  if (type !== kind) throw new Error(`the key has to be of type ${kind}, but is ${type}`)
  if (!pem.includes('BEGIN PRIVATE KEY')) throw new Error('the key has to be in PKCS#8 (BEGIN PRIVATE KEY)')
  return pem
}

const serviceAccount = z.object({
  type: z.literal('service_account', 'not the file of a service account'),
  project_id: z.string().min(1),
  client_email: z.string().min(1),
  private_key: z.string().min(1),
  private_key_id: z.string().optional(),
  token_uri: z.url({ protocol: /^https$/ }).default('https://oauth2.googleapis.com/token'),
})

function readServiceAccount(text: string): ServiceAccount {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new Error('not JSON') // the parser's own words quote the file
  }
  const account = serviceAccount.parse(json)
  return { ...account, private_key: privateKey(account.private_key, 'rsa') }
}

/** What can be reached: log always, the others where they are set up. */
function adapters(config: Config, log: Logger): Map<string, PushProvider> {
  const made = new Map<string, PushProvider>([['log', createLogProvider(log)]])
  const { APNS_KEY_FILE, APNS_KEY_ID: keyId, APNS_TEAM_ID: teamId, APNS_TOPIC: topic } = config
  if (APNS_KEY_FILE !== undefined && keyId !== undefined && teamId !== undefined && topic !== undefined) {
    const key = fromFile('APNS_KEY_FILE', APNS_KEY_FILE, (text) => privateKey(text, 'ec'))
    made.set('apns', createApnsProvider({ origin: config.APNS_URL, key, keyId, teamId, topic, log }))
  }
  if (config.FCM_SERVICE_ACCOUNT_FILE !== undefined) {
    const account = fromFile('FCM_SERVICE_ACCOUNT_FILE', config.FCM_SERVICE_ACCOUNT_FILE, readServiceAccount)
    made.set('fcm', createFcmProvider({ origin: config.FCM_URL, account, log }))
  }
  if (config.PUSH_WEBHOOK_URL !== undefined)
    made.set('webhook', webhook(config, 'webhook', config.PUSH_WEBHOOK_URL))
  return made
}

const webhook = ({ PUSH_WEBHOOK_SECRET: secret }: Config, name: string, url: string): PushProvider =>
  createWebhookProvider({ name, url, secret })

/**
 * The adapters by their own names, and whatever else PUSH_PROVIDERS calls them.
 * @throws ConfigError where a file that is named cannot be used
 */
export function createPushProviders(config: Config, log: Logger): ReadonlyMap<string, PushProvider> {
  const own = adapters(config, log)
  const named = [...config.PUSH_PROVIDERS].map(
    ([name, where]) => [name, own.get(where) ?? webhook(config, name, where)] as const,
  )
  return new Map([...own, ...named])
}
