/** PostgreSQL servers of a test's own, of the very binaries that `npm start` uses. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { partPort } from '../../infra/local/ports.js'
import { postgres } from '../../infra/local/postgres.js'
import { root } from '../architecture/checkout.js'

const taken = new Set<number>()
const password = 'of-the-tests'
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGQUIT')
})

export interface PostgresServer {
  readonly port: number
  /** Of a role that may do everything. */
  readonly url: string
  /** postgresql.conf and pg_hba.conf lie there. */
  readonly folder: string
  start(): Promise<void>
  /** @param signal SIGINT is a fast shutdown; SIGQUIT is a crash, of its children too */
  end(signal?: NodeJS.Signals): Promise<void>
  /** Ends it, and removes its folder. */
  remove(): Promise<void>
}

/** A server that is not started yet. @param from a stopped one, whose data it has */
export async function newPostgresServer(
  settings: Readonly<Record<string, string>> = {},
  from?: PostgresServer,
): Promise<PostgresServer> {
  const port = await partPort(undefined, taken)
  const home = mkdtempSync(join(tmpdir(), 'coffeechat-postgres-'))
  chmodSync(home, 0o755) // its system user has to pass
  mkdirSync(join(home, 'logs'), { recursive: true })
  const folder = join(home, 'postgres')
  // With its owner, which cpSync does not keep.
  if (from !== undefined) execFileSync('cp', ['-a', from.folder, folder])
  const made = await postgres(root, home, { folderId: home, postgresPassword: password }, port)
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
  appendFileSync(join(folder, 'postgresql.conf'), lines.join(''))
  let child: ChildProcess | undefined
  let ended = Promise.resolve()
  const end = async (signal: NodeJS.Signals = 'SIGINT'): Promise<void> => {
    child?.kill(signal)
    await ended
  }
  return {
    port,
    url: made.url,
    folder,
    async start() {
      const launched = await made.program.launch()
      child = launched
      running.add(launched)
      const over = new AbortController()
      ended = new Promise((resolve) => {
        launched.once('exit', () => {
          running.delete(launched)
          over.abort()
          resolve()
        })
      })
      await made.program.ready(launched, over.signal)
    },
    end,
    async remove() {
      await end('SIGQUIT')
      rmSync(home, { recursive: true, force: true })
      if (made.elsewhere !== undefined) rmSync(made.elsewhere, { recursive: true, force: true })
    },
  }
}

/** A line of pg_hba.conf before all others. */
export function permitFirst(server: PostgresServer, line: string): void {
  const file = join(server.folder, 'pg_hba.conf')
  writeFileSync(file, `${line}\n${readFileSync(file, 'utf8')}`)
}

/** A primary whose commits wait for a standby that has them on disk, too. Both run. */
export async function startReplicated(): Promise<{ primary: PostgresServer; standby: PostgresServer }> {
  const primary = await newPostgresServer({ synchronous_standby_names: '*' })
  const standby = await newPostgresServer(
    {
      synchronous_standby_names: '',
      primary_conninfo: `host=127.0.0.1 port=${primary.port} user=coffeechat password=${password}`,
    },
    primary,
  )
  writeFileSync(join(standby.folder, 'standby.signal'), '')
  await primary.start()
  await standby.start()
  return { primary, standby }
}

/** One statement on one connection. */
export async function ask<Row extends pg.QueryResultRow>(
  config: pg.ClientConfig,
  text: string,
): Promise<Row[]> {
  const client = new pg.Client({ connectionTimeoutMillis: 5_000, ...config })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}
