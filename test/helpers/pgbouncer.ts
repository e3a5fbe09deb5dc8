/** PgBouncer in transaction mode before a PostgreSQL. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { partPort } from '../../infra/local/ports.js'
import { run } from './program.js'

const path = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }

/** Why there is none, or false: for `skip`. */
export const noPgBouncer =
  spawnSync('pgbouncer', ['--version'], { env: path }).status === 0
    ? false
    : 'there is no pgbouncer (apt-get install pgbouncer)'

export interface PgBouncer {
  /** The same URL, through the pooler. */
  through(url: string): string
  stop(): Promise<void>
}

/**
 * Two connections to each database, for everybody: the statements of one client come to either.
 * @param target URL of the server, with a user and a password that may log in
 */
export async function startPgBouncer(target: string): Promise<PgBouncer> {
  const { hostname, port: serverPort, username, password } = new URL(target)
  const port = await partPort(undefined, new Set())
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-pgbouncer-'))
  const file = join(folder, 'pgbouncer.ini')
  const user = decodeURIComponent(username)
  writeFileSync(join(folder, 'users.txt'), `"${user}" "${decodeURIComponent(password)}"\n`)
  writeFileSync(
    file,
    [
      '[databases]',
      `* = host=${hostname} port=${serverPort}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = plain',
      `auth_file = ${join(folder, 'users.txt')}`,
      'pool_mode = transaction',
      'default_pool_size = 2',
      'max_client_conn = 200',
    ].join('\n'),
  )
  chmodSync(folder, 0o755)
  // It does not run as root.
  const asSomebody = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const program = run(['pgbouncer', ...asSomebody, file], { env: path })
  await program.says(/process up/)
  return {
    through(url) {
      const changed = new URL(url)
      changed.host = `127.0.0.1:${port}`
      return changed.href
    },
    async stop() {
      await program.end('SIGTERM')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
