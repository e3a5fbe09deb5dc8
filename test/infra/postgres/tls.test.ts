/** A PostgreSQL that is reached over TLS only, as an operator's settings say. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createPool } from '../../../infra/postgres/pool.js'
import { readConfig } from '../../../schemas/config.js'
import { databaseAddress } from '../../../schemas/database-settings.js'
import { createAuthority, type KeyPair } from '../../helpers/certificate.js'
import { silentLog } from '../../helpers/log.js'
import { newPostgresServer, type PostgresServer, permitFirst } from '../../helpers/postgres-servers.js'

const folder = mkdtempSync(join(tmpdir(), 'coffeechat-certificates-'))
const write = (name: string, content: Buffer): string => {
  const file = join(folder, name)
  writeFileSync(file, content, { mode: 0o600 })
  return file
}
const [authority, other] = [createAuthority('ours'), createAuthority('another')]
const pair = (name: string, { cert, key }: KeyPair) => ({
  cert: write(`${name}.crt`, cert),
  key: write(`${name}.key`, key),
})
const server = pair('server', authority.issue('db', ['localhost']))
const client = pair('client', authority.issue('coffeechat', []))
const stranger = pair('stranger', other.issue('coffeechat', []))
const expired = pair('expired', authority.issue('coffeechat', [], [-3, -1]))
const [ours, theirs] = [write('ca.crt', authority.cert), write('other-ca.crt', other.cert)]
const noCertificate = join(folder, 'none.crt')
writeFileSync(noCertificate, 'not a certificate')

let postgres: PostgresServer
before(async () => {
  chmodSync(folder, 0o755)
  postgres = await newPostgresServer({
    ssl: 'on',
    ssl_cert_file: server.cert,
    ssl_key_file: server.key,
    ssl_ca_file: ours,
  })
  const { uid, gid } = statSync(postgres.folder)
  for (const file of [server.cert, server.key, ours]) chownSync(file, uid, gid)
  permitFirst(postgres, 'hostnossl postgres all 127.0.0.1/32 reject')
  permitFirst(postgres, 'hostssl postgres all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca')
  await postgres.start()
})
after(async () => {
  await postgres?.remove()
  rmSync(folder, { recursive: true, force: true })
})

interface Given {
  readonly host?: string
  readonly database?: string
  readonly query?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Whether a pool with these settings speaks TLS. */
async function isSecure({
  host = 'localhost',
  database = 'coffeechat',
  query = '',
  env,
}: Given): Promise<boolean> {
  const url = new URL(postgres.url)
  url.hostname = host
  url.pathname = `/${database}`
  url.search = query
  const config = readConfig({ DATABASE_URL: url.href, ...env })
  const pool = createPool(databaseAddress(config), 1, silentLog)
  try {
    const { rows } = await pool.query<{ ssl: boolean }>(
      'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
    )
    return rows[0]!.ssl
  } finally {
    await pool.end()
  }
}

const ca = { DATABASE_TLS_CA: ours }
const own = { DATABASE_TLS_CERT: client.cert, DATABASE_TLS_KEY: client.key }

const connects: readonly [title: string, given: Given][] = [
  ['its authority is given', { env: ca }],
  ['its authority is in the URL', { query: `sslmode=verify-full&sslrootcert=${ours}` }],
  [
    'its authority is right and its name is not, with verify-ca',
    { host: '127.0.0.1', query: 'sslmode=verify-ca', env: ca },
  ],
  ['nobody asks who it is', { query: 'sslmode=require' }],
  ['it wants a client certificate and gets one', { database: 'postgres', env: { ...ca, ...own } }],
]
for (const [title, given] of connects)
  test(`a connection is secure where ${title}`, async () => assert.equal(await isSecure(given), true))

const refused: readonly [title: string, given: Given, says: RegExp][] = [
  ['without TLS', { database: 'postgres' }, /no encryption|rejects connection/],
  ['nobody has vouched for it', { query: 'sslmode=verify-full' }, /self-signed certificate|unable to verify/],
  [
    'another authority',
    { env: { DATABASE_TLS_CA: theirs } },
    /self-signed certificate|signature|unable to verify/,
  ],
  ['another name', { host: '127.0.0.1', env: ca }, /127\.0\.0\.1/],
  ['no client certificate', { database: 'postgres', env: ca }, /client certificate/],
  [
    'a client certificate of another authority',
    {
      database: 'postgres',
      env: { ...ca, DATABASE_TLS_CERT: stranger.cert, DATABASE_TLS_KEY: stranger.key },
    },
    /alert|ECONNRESET|unknown ca|terminated/i,
  ],
  [
    'a file that is not there',
    { env: { DATABASE_TLS_CA: '/no/such.crt' } },
    /DATABASE_TLS_CA=\/no\/such\.crt: ENOENT/,
  ],
  [
    'a file without a certificate',
    { env: { DATABASE_TLS_CA: noCertificate } },
    /DATABASE_TLS_CA=.*none\.crt: /,
  ],
  [
    'an expired authority',
    { env: { DATABASE_TLS_CA: expired.cert } },
    /DATABASE_TLS_CA=.* expired on .*put a new one/,
  ],
  [
    'an expired certificate of ours',
    { env: { ...ca, DATABASE_TLS_CERT: expired.cert, DATABASE_TLS_KEY: expired.key } },
    /DATABASE_TLS_CERT=.* expired on/,
  ],
  [
    'a key that does not fit',
    { env: { ...ca, DATABASE_TLS_CERT: client.cert, DATABASE_TLS_KEY: server.key } },
    /DATABASE_TLS_KEY=.* is not the key of DATABASE_TLS_CERT=/,
  ],
  ['a certificate without its key', { env: { DATABASE_TLS_CERT: client.cert } }, /go together/],
  [
    'a mode that there is not',
    { query: 'sslmode=perhaps' },
    /DATABASE_URL: .*sslmode in it is one of disable/,
  ],
]
for (const [title, given, says] of refused)
  test(`refused in clear words: ${title}`, () => assert.rejects(isSecure(given), says))
