/**
 * A broker as careful operators run them: TLS with an authority of their own, certificates of clients, logins, and
 * a user with just the rights that docs/operate/kafka.md lists. And everything that can be wrong with that.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import kafkajs, { type AclEntry, Kafka, logLevel } from 'kafkajs'
import { createBus } from '../../infra/kafka/bus.js'
import { readConfig } from '../../schemas/config.js'
import { busSettings } from '../../setup.js'
import { createAuthority } from '../helpers/certificate.js'
import { connectDevice } from '../helpers/device.js'
import { noKafkaParts, startCluster, type TestCluster } from '../helpers/kafka-nodes.js'
import { silentLog } from '../helpers/log.js'
import { ops } from '../helpers/ops.js'
import { run } from '../helpers/program.js'
import { stack } from '../helpers/stack.js'
import { newPrefix, type System, startSystem } from '../helpers/system.js'

// Node finds no names for these in a module of CommonJS.
const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

const main = join(import.meta.dirname, '../../main.js') // from dist/test/e2e
const doctor = join(import.meta.dirname, '../../ops.js')
const page = join(import.meta.dirname, '../../../docs/operate/kafka.md')
const user = 'coffeechat'
const password = 'password-of-the-tests'
const skip = noKafkaParts

const folder = mkdtempSync(join(tmpdir(), 'coffeechat-secured-'))
const file = (name: string, content: Buffer | string): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const authority = createAuthority('authority of the tests')
const stranger = createAuthority('authority of nobody')
const ours = authority.issue('coffeechat', [])
const expired = authority.issue('coffeechat, long ago', [], [-2, -1])
const files = {
  ca: file('ca.pem', authority.cert),
  otherCa: file('other-ca.pem', stranger.cert),
  cert: file('our.pem', ours.cert),
  key: file('our-key.pem', ours.key),
  expiredCert: file('expired.pem', expired.cert),
  expiredKey: file('expired-key.pem', expired.key),
  nonsense: file('nonsense.pem', 'nonsense'),
}

/** What a listener shows and whom it believes. */
function listenerTls(listener: string, valid?: readonly [number, number]): Record<string, string> {
  const { cert, key } = authority.issue('broker', ['broker.test', '127.0.0.1'], valid)
  const name = `listener.name.${listener.toLowerCase()}`
  return {
    [`${name}.ssl.keystore.type`]: 'PEM',
    [`${name}.ssl.keystore.location`]: file(`${listener}.pem`, Buffer.concat([key, cert])),
    [`${name}.ssl.truststore.type`]: 'PEM',
    [`${name}.ssl.truststore.location`]: files.ca,
    [`${name}.ssl.client.auth`]: 'required',
  }
}

const jaas = (module: string, options = '') =>
  `org.apache.kafka.common.security.${module} required${options};`

/** SECURED: mutual TLS and logins. EXPIRED: its certificate is over. LOGIN: logins without TLS. */
const brokerSettings = () => ({
  ...listenerTls('SECURED'),
  ...listenerTls('EXPIRED', [-2, -1]),
  ...Object.fromEntries(
    ['secured', 'login'].flatMap((name) => [
      [`listener.name.${name}.sasl.enabled.mechanisms`, 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512'],
      [
        `listener.name.${name}.plain.sasl.jaas.config`,
        jaas('plain.PlainLoginModule', ` user_${user}="${password}"`),
      ],
      [`listener.name.${name}.scram-sha-256.sasl.jaas.config`, jaas('scram.ScramLoginModule')],
      [`listener.name.${name}.scram-sha-512.sasl.jaas.config`, jaas('scram.ScramLoginModule')],
    ]),
  ),
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  // brokers, controllers and the tests come by the listener without login
  'super.users': 'User:ANONYMOUS',
})

const scram = (mechanism: string) => ['--add-scram', `${mechanism}=[name=${user},password=${password}]`]

let cluster: TestCluster
const prefix = newPrefix()

const secured = (): NodeJS.ProcessEnv => ({
  KAFKA_BROKERS: cluster.addresses('SECURED'),
  KAFKA_TLS: 'true',
  KAFKA_TLS_CA: files.ca,
  KAFKA_TLS_CERT: files.cert,
  KAFKA_TLS_KEY: files.key,
  KAFKA_SASL_MECHANISM: 'scram-sha-512',
  KAFKA_SASL_USERNAME: user,
  KAFKA_SASL_PASSWORD: password,
})

before(async () => {
  if (skip) return
  cluster = await startCluster({
    listeners: { SECURED: 'SASL_SSL', EXPIRED: 'SSL', LOGIN: 'SASL_PLAINTEXT' },
    settings: brokerSettings(),
    format: [...scram('SCRAM-SHA-256'), ...scram('SCRAM-SHA-512')],
  })
  await grant(documentedRights())
})
after(async () => {
  await cluster?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** What the commands of the page allow, with the prefix of this test. */
function documentedRights(): AclEntry[] {
  const commands = readFileSync(page, 'utf8')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.startsWith('kafka-acls.sh'))
  return commands.flatMap((command) => {
    const of = (option: string) =>
      [...command.matchAll(new RegExp(`--${option} (\\S+)`, 'g'))].map(([, value]) => value!)
    const [topic, group] = [of('topic')[0], of('group')[0]]
    return of('operation').map((operation) => ({
      principal: of('allow-principal')[0]!,
      host: '*',
      permissionType: AclPermissionTypes.ALLOW,
      resourceType: topic === undefined ? AclResourceTypes.GROUP : AclResourceTypes.TOPIC,
      resourceName: (topic ?? group)!.replace(/^im\./, prefix),
      resourcePatternType: ResourcePatternTypes[of('resource-pattern-type')[0]!.toUpperCase() as 'PREFIXED'],
      operation:
        AclOperationTypes[
          operation.replace(/(?<=[a-z])[A-Z]/g, '_$&').toUpperCase() as keyof typeof AclOperationTypes
        ],
    }))
  })
}

async function grant(acl: AclEntry[]): Promise<void> {
  const brokers = [cluster.addresses()]
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.createAcls({ acl })
  await admin.disconnect()
}

/** Registers, logs in, sends and receives. */
async function chat({ api, tcp }: System): Promise<void> {
  const users = [910_001, 910_002]
  const tokens = await api.registerAll(users)
  const [ada, bo] = await Promise.all([connectDevice(tcp), connectDevice(tcp)])
  for (const [at, device] of [ada, bo].entries())
    assert.equal((await device.login(users[at]!, tokens[at]!)).result_code, 0)
  const letter = ada.send(users[1]!, 'is anybody listening?')
  assert.equal((await ada.acked(letter)).res_code, 0)
  await bo.received(letter)
  for (const device of [ada, bo]) device.cut()
}

test('over mutual TLS with SCRAM and just the documented rights, the whole path works', {
  skip,
}, async () => {
  const env = secured()
  const system = await startSystem({ env, prefix })
  try {
    await chat(system)
    const { code, said } = await ops(system, 'doctor', env)
    assert.equal(code, 0, said)
    assert.equal((await ops(system, 'topics', env)).code, 0)
  } finally {
    await system.stop()
  }
})

for (const mechanism of ['plain', 'scram-sha-256'])
  test(`records go both ways with ${mechanism}`, { skip }, async (t) => {
    const config = readConfig({ ...secured(), KAFKA_SASL_MECHANISM: mechanism, TOPIC_PREFIX: prefix })
    const bus = await createBus(busSettings(config, silentLog))
    t.after(() => bus.close())
    const topic = `${prefix}${mechanism}`
    await bus.ensureTopics([{ name: topic, partitions: 1, config: {} }])
    const producer = await bus.producer('test')
    await producer.publish([{ topic, key: 'k', value: Buffer.from('hello') }])
    const came = new Promise<string>((resolve) => {
      void bus.consumer({
        group: mechanism,
        topics: [topic],
        onBatch: async ({ records }) => resolve(records[0]!.value.toString()),
      })
    })
    assert.equal(await came, 'hello')
  })

type Wrong = readonly [title: string, env: () => NodeJS.ProcessEnv, says: RegExp, asProcess?: 'as a process']

const wrongs: readonly Wrong[] = [
  [
    'a wrong password',
    () => ({ KAFKA_SASL_PASSWORD: 'another' }),
    /do not let user coffeechat in .*: are KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and/,
    'as a process',
  ],
  [
    'no login where one is wanted',
    () => ({ KAFKA_SASL_MECHANISM: '', KAFKA_SASL_USERNAME: '', KAFKA_SASL_PASSWORD: '' }),
    /wants a login \(.*scram-sha-512.*\): set KAFKA_SASL_MECHANISM/,
  ],
  [
    'a login where none is wanted',
    () => ({ KAFKA_BROKERS: cluster.addresses(), ...noTls }),
    /takes no login: unset KAFKA_SASL_MECHANISM/,
  ],
  [
    'an untrusted authority',
    () => ({ KAFKA_TLS_CA: files.otherCa }),
    /not trusted .*: set KAFKA_TLS_CA/,
    'as a process',
  ],
  ['no authority at all', () => ({ KAFKA_TLS_CA: '' }), /not trusted .*: set KAFKA_TLS_CA/],
  [
    'an expired certificate of the broker',
    () => ({ KAFKA_BROKERS: cluster.addresses('EXPIRED') }),
    /certificate has expired: renew it on the broker/,
    'as a process',
  ],
  [
    'another name than in the certificate',
    () => ({ KAFKA_BROKERS: cluster.addresses('SECURED').replace('127.0.0.1', 'localhost') }),
    /is for another name .*KAFKA_TLS_SERVERNAME/,
  ],
  [
    'no certificate where one is wanted',
    () => ({ KAFKA_TLS_CERT: '', KAFKA_TLS_KEY: '' }),
    /does not take our certificate .*: set KAFKA_TLS_CERT and KAFKA_TLS_KEY/,
  ],
  ['no TLS where it is wanted', () => noTls, /speaks TLS: set KAFKA_TLS=true/],
  [
    'an expired certificate of ours',
    () => ({ KAFKA_TLS_CERT: files.expiredCert, KAFKA_TLS_KEY: files.expiredKey }),
    /KAFKA_TLS_CERT=\S+expired.pem expired on .*: put a new one/,
    'as a process',
  ],
  [
    "another certificate's key",
    () => ({ KAFKA_TLS_KEY: files.expiredKey }),
    /KAFKA_TLS_KEY=\S+expired-key.pem is not the key of KAFKA_TLS_CERT=\S+our.pem/,
  ],
  [
    'a file that is not there',
    () => ({ KAFKA_TLS_CA: join(folder, 'none') }),
    /KAFKA_TLS_CA=\S+none: ENOENT/,
  ],
  ['a file that is none', () => ({ KAFKA_TLS_CA: files.nonsense }), /nonsense.pem: no certificate in PEM/],
]

const noTls = { KAFKA_TLS: 'false', KAFKA_TLS_CA: '', KAFKA_TLS_CERT: '', KAFKA_TLS_KEY: '' }

/** What a process of ours says, and the doctor. */
async function stopped(env: NodeJS.ProcessEnv, says: RegExp): Promise<void> {
  const started = run([process.execPath, main, '--roles', 'presence'], { env })
  const asked = run([process.execPath, doctor, 'doctor'], { env })
  assert.equal(await started.ended(), 1)
  assert.match(started.said(), says)
  const lines = started.said().trim().split('\n')
  assert.ok(lines.length <= 2, `more than one message:\n${started.said()}`)
  assert.doesNotMatch(started.said(), /another$|^\s+at /m)
  assert.equal(await asked.ended(), 1)
  assert.match(asked.said().replace(/\n\s+→/g, ':'), says)
}

test('what is set wrong stops the start with one clear message, and the doctor says the same', {
  skip,
}, async (t) => {
  const { postgres, redis } = stack()
  for (const [title, changes, says, asProcess] of wrongs)
    await t.test(title, async () => {
      const engines = { REDIS_URL: redis, DATABASE_URL: postgres, TOPIC_PREFIX: prefix }
      const env = { ...secured(), ...changes(), ...engines }
      if (asProcess) return stopped(env, says)
      const open = async () => createBus(busSettings(readConfig(env), silentLog))
      await assert.rejects(open, ({ name, message }: Error) => {
        assert.ok(['BusRefused', 'ConfigError'].includes(name), name)
        assert.match(message, says)
        return true
      })
    })
})
