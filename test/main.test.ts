/** The entry of our processes: its command line, and one whose supervisor dies while it still waits for the brokers. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { allRoles } from '../setup.js'
import { stack } from './helpers/stack.js'

const main = join(import.meta.dirname, '../main.js') // from dist/test
const endsWithin_ms = 10_000

/** Takes connections and answers nothing, as a broker does that hangs. */
const silent = createServer(() => {})
before(() => once(silent.listen(0, '127.0.0.1'), 'listening'))
after(() => silent.close())

/** A process that cannot become ready. */
function startGateway(t: { after(leave: () => void): void }): ChildProcess {
  const { port } = silent.address() as { port: number }
  const child = spawn(process.execPath, [main, '--roles', 'gateway'], {
    env: {
      ...process.env,
      KAFKA_BROKERS: `127.0.0.1:${port}`,
      REDIS_URL: stack().redis,
      TCP_PORT: '0',
      HTTP_PORT: '0',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  t.after(() => child.kill('SIGKILL'))
  return child
}

/** Its exit code. @throws where it does not end */
async function codeOf(child: ChildProcess): Promise<unknown> {
  const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(endsWithin_ms) })
  return code
}

test('a process whose supervisor dies before it serves ends', async (t) => {
  const child = startGateway(t)
  await once(silent, 'connection')
  child.disconnect()
  assert.equal(await codeOf(child), 0)
})

test('a process whose supervisor dies before it has begun ends', async (t) => {
  const child = startGateway(t)
  child.disconnect()
  assert.equal(await codeOf(child), 0)
})

test('SIGTERM ends a process that does not serve yet', async (t) => {
  const child = startGateway(t)
  await once(silent, 'connection')
  child.kill('SIGTERM')
  assert.equal(await codeOf(child), 0)
})

/** What it says to this command line, which it ends by itself, and its exit code. */
function say(...args: readonly string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    timeout: endsWithin_ms,
  })
  return { status, said: stdout + stderr }
}

test('--help names every role, and an option that there is not is told in a line, not by a stack', () => {
  const help = say('--help')
  assert.equal(help.status, 0)
  for (const role of allRoles) assert.match(help.said, new RegExp(`\\b${role}\\b`))
  const wrong = say('--rolls', 'gateway')
  assert.equal(wrong.status, 1)
  assert.match(wrong.said, /--rolls.*\nSee node dist\/main.js --help/)
  assert.doesNotMatch(wrong.said, /\n +at /)
})
