/** Which adapter a name leads to, and what is said where a setting or a file is wrong. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createPushProviders } from '../../../infra/push/providers.js'
import { readConfig } from '../../../schemas/config.js'
import { silentLog } from '../../helpers/log.js'

const folder = mkdtempSync(join(tmpdir(), 'coffeechat-push-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']) =>
  String(key.export({ type: 'pkcs8', format: 'pem' }))
const ecKey = pem(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey)
const rsaKey = pem(generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey)
const account = { type: 'service_account', project_id: 'p', client_email: 'e@p', private_key: rsaKey }

const apns = {
  APNS_KEY_FILE: file('apns.p8', ecKey),
  APNS_KEY_ID: 'K',
  APNS_TEAM_ID: 'T',
  APNS_TOPIC: 'com.example',
}
const fcm = { FCM_SERVICE_ACCOUNT_FILE: file('fcm.json', JSON.stringify(account)) }

const namesOf = (env: NodeJS.ProcessEnv) =>
  [...createPushProviders(readConfig(env), silentLog)].map(([name, provider]) => [name, provider.name])

test('nothing set up is the log', () => {
  assert.deepEqual(namesOf({}), [['log', 'log']])
})

test('names lead to adapters, or to a webhook of their own', () => {
  const env = {
    ...apns,
    ...fcm,
    PUSH_WEBHOOK_URL: 'https://push.example.com/',
    PUSH_PROVIDERS: 'ios=apns, android=fcm,huawei=https://huawei.example.com/v1?app=1,meizu=webhook',
  }
  assert.deepEqual(namesOf(env), [
    ['log', 'log'],
    ['apns', 'apns'],
    ['fcm', 'fcm'],
    ['webhook', 'webhook'],
    ['ios', 'apns'],
    ['android', 'fcm'],
    ['huawei', 'huawei'],
    ['meizu', 'webhook'],
  ])
})

for (const [what, env, message] of [
  [
    'a key file that is missing',
    { ...apns, APNS_KEY_FILE: join(folder, 'none.p8') },
    /APNS_KEY_FILE=.*none\.p8: ENOENT/,
  ],
  [
    'a key file that holds no key',
    { ...apns, APNS_KEY_FILE: file('no.p8', 'hello') },
    /APNS_KEY_FILE=.*no\.p8: not a private key/,
  ],
  [
    'a key of the wrong type',
    { ...apns, APNS_KEY_FILE: file('rsa.p8', rsaKey) },
    /has to be of type ec, but is rsa/,
  ],
  [
    'half of the settings of Apple',
    { APNS_KEY_ID: 'K' },
    /go together: APNS_KEY_FILE, APNS_TEAM_ID, APNS_TOPIC not set/,
  ],
  [
    'an account that is no JSON',
    { FCM_SERVICE_ACCOUNT_FILE: file('a.json', '{"private_key": "geheim') },
    /a\.json: not JSON$/m,
  ],
  [
    'an account of another kind',
    { FCM_SERVICE_ACCOUNT_FILE: file('b.json', JSON.stringify({ ...account, type: 'authorized_user' })) },
    /b\.json: type: not the file of a service account/,
  ],
  [
    'an account without an address',
    { FCM_SERVICE_ACCOUNT_FILE: file('c.json', JSON.stringify({ ...account, client_email: undefined })) },
    /c\.json: client_email: /,
  ],
  [
    'an account whose key is none',
    { FCM_SERVICE_ACCOUNT_FILE: file('d.json', JSON.stringify({ ...account, private_key: 'geheim' })) },
    /d\.json: not a private key in PEM$/m,
  ],
  ['an adapter that is not set up', { PUSH_PROVIDERS: 'ios=apns' }, /ios=apns needs APNS_KEY_FILE/],
  [
    'a fallback that is not set up',
    { PUSH_PROVIDER: 'fcm' },
    /PUSH_PROVIDER=fcm needs FCM_SERVICE_ACCOUNT_FILE/,
  ],
  ['a name that leads nowhere', { PUSH_PROVIDERS: 'ios' }, /PUSH_PROVIDERS=ios: each is a name/],
  ['an address that is none', { PUSH_PROVIDERS: 'huawei=huawei.example.com' }, /PUSH_PROVIDERS/],
  ['Apple without TLS', { APNS_URL: 'http://localhost:1' }, /APNS_URL/],
] as const)
  test(`${what} is said at the start`, () => {
    assert.throws(
      () => namesOf(env),
      (error: Error) => {
        assert.equal(error.name, 'ConfigError')
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /geheim|BEGIN|hello/)
        return true
      },
    )
  })
