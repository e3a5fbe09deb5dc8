/** `npm start` as a newcomer runs it, and two clients that share no code with it: cim.py, and one over WebSocket. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type LocalFile, lives } from '../helpers/checkout.js'
import { type Program, run, runToEnd } from '../helpers/program.js'
import { conditionHolds } from '../helpers/wait.js'

const repository = join(import.meta.dirname, '../../..') // from dist/test/e2e
const cim = join(repository, '../shared/tools/cim.py')
const missing =
  !existsSync(cim) || spawnSync('python3', ['--version']).status !== 0
    ? 'needs ../shared/tools/cim.py'
    : false
const startWithin_ms = 120_000
const [ada, bo] = ['2001', '2002']

let dataDir: string
before(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'coffeechat-newcomer-'))
  chmodSync(dataDir, 0o755) // PostgreSQL's system user has to pass
})
after(() => rmSync(dataDir, { recursive: true, force: true }))

const localFile = (): LocalFile => JSON.parse(readFileSync(join(dataDir, 'local.json'), 'utf8'))

/** Runs `npm start` until it says `ready`, then `use`, then SIGTERM: no process may stay. */
async function withStarted(args: string[], use: (local: LocalFile) => Promise<void>): Promise<void> {
  const starter = run(['npm', 'start', '--', ...args], { cwd: repository, env: { DATA_DIR: dataDir } })
  try {
    await starter.says(/^ready$/m, startWithin_ms)
    const local = localFile()
    await use(local)
    assert.equal(await starter.end(), 0)
    const left = () => Object.entries(local.pids).filter(([, pid]) => lives(pid))
    await conditionHolds('no process is left', () => left().length === 0, 5_000)
  } finally {
    await starter.end()
  }
}

/** The commands of cim.py, as a person types them. */
function pythonClient({ http, tcp, api_key }: LocalFile) {
  const command = (verb: string, ...rest: string[]) =>
    ['python3', '-u', cim, verb, '--http', http, '--tcp', tcp, '--key', api_key, ...rest] as const
  return {
    register: (id: string, nick: string) => runToEnd(command('register', id, nick)),
    send: (id: string, token: string, to: string, text: string) =>
      runToEnd(command('send', id, token, to, text)),
    async listen(id: string, token: string): Promise<Program> {
      const listener = run(command('listen', id, token))
      await listener.says(/^login .*'result_code': 0/m)
      return listener
    },
  }
}

/** docs/example-client.mjs: `ws` and protobufjs on the .proto files, nothing else of ours. */
async function webSocketClient({ http }: LocalFile, ...args: string[]): Promise<Program> {
  const command = [process.execPath, join(repository, 'docs/example-client.mjs'), ...args] as const
  const client = run([...command], { cwd: repository, env: { CIM_URL: `ws://${http}/ws` } })
  await client.says(/^login: result_code 0$/m)
  return client
}

/** Both register, and talk from either client to the other; the numbers go on from `from`. */
async function talk(local: LocalFile, from: number): Promise<void> {
  const python = pythonClient(local)
  const [adasToken, bosToken] = [await python.register(ada, 'Ada'), await python.register(bo, 'Bo')]

  const bosPage = await webSocketClient(local, bo, bosToken)
  const ack = await python.send(ada, adasToken, bo, 'Grüße 你好 ☕')
  assert.match(ack, /'res_code': 0/)
  assert.match(ack, new RegExp(`'server_msg_id': ${from}\\b`))
  await bosPage.says(new RegExp(`^${ada}, number ${from}: Grüße 你好 ☕$`, 'm'))
  await bosPage.end()

  const adasPhone = await python.listen(ada, adasToken)
  const again = await webSocketClient(local, bo, bosToken, ada, 'and to you')
  await again.says(new RegExp(`^stored as number ${from + 1}$`, 'm'))
  const arrived = await adasPhone.says(/^0x0301 .*$/m)
  assert.match(arrived[0], /b'and to you'/)
  assert.match(arrived[0], new RegExp(`'server_msg_id': ${from + 1}\\b`))
  await Promise.all([again.end(), adasPhone.end()])
}

test('two clients chat on npm start, and on --processes with what the first start kept', {
  skip: missing,
}, async () => {
  await withStarted([], (local) => talk(local, 1))
  await withStarted(['--processes'], async (local) => {
    assert.ok('message-store' in local.pids && 'gateway' in local.pids)
    await talk(local, 3)
    for (const [name, port] of Object.entries(local.metrics_ports ?? assert.fail('no ports for metrics')))
      assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200, name)
  })
})
