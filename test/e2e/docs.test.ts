/** What the docs tell a newcomer to type works as it is written: curl, the example client, the client library's first lines. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import sharp from 'sharp'
import { ops } from '../helpers/ops.js'
import { type Program, run, runToEnd } from '../helpers/program.js'
import { type System, startSystem } from '../helpers/system.js'

const root = join(import.meta.dirname, '../../..') // from dist/test/e2e
const within_ms = 30_000

let system: System
let folder: string
const tokens = { ada: '', bo: '' }
const programs: Program[] = []
before(async () => {
  system = await startSystem()
  folder = mkdtempSync(join(tmpdir(), 'coffeechat-docs-'))
  tokens.ada = await system.api.register(1001)
  tokens.bo = await system.api.register(1002)
})
after(async () => {
  for (const program of programs) await program.end('SIGKILL')
  await system?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** The code blocks of a page, in order. */
const blocksOf = (page: string): string[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, block]) => block!)

/** The only block of a page that holds this text, with what the reader has to put in put in. */
function block(page: string, text: string): string {
  const found = blocksOf(page).filter((each) => each.includes(text))
  assert.equal(found.length, 1, `${page} has one block with ${text}`)
  return found[0]!
    .replaceAll(/(127\.0\.0\.1|localhost):8080/g, `127.0.0.1:${system.http}`)
    .replaceAll('https://chat.example.com', `http://127.0.0.1:${system.http}`)
    .replaceAll('<API key>', system.apiKey)
    .replaceAll("<Ada's token>", tokens.ada)
    .replaceAll("<Bo's token>", tokens.bo)
}

/** Runs a block in a shell, in a folder of its own. @returns what it says */
const shell = (script: string): Promise<string> =>
  runToEnd(['sh', '-ec', script], { cwd: folder, env: { KEY: system.apiKey } })

const environment = () => ({ CIM_URL: `ws://127.0.0.1:${system.http}/ws` })

/** Starts a line of a block that begins with node, at the top of the checkout. */
function start(line: string): Program {
  const program = run(['sh', '-ec', `exec ${line.trim()}`], { cwd: root, env: environment() })
  programs.push(program)
  return program
}

test('README: curl registers a user, sends for another, and the example client shows it', async () => {
  const registered = JSON.parse(await shell(block('README.md', '"user_id":"2001"')))
  assert.deepEqual([registered.user_id, typeof registered.token], ['2001', 'string'])
  const bo = start(block('README.md', "1002 <Bo's token>"))
  await bo.says(/login: result_code 0/, within_ms)
  const send = block('README.md', 'my-first-message')
  const [first, second] = [JSON.parse(await shell(send)), JSON.parse(await shell(send))]
  assert.equal(second.server_msg_id, first.server_msg_id)
  await bo.says(/hello/, within_ms)
  const ada = start(block('README.md', 'hello over the wire'))
  await bo.says(/hello over the wire/, within_ms)
  await ada.end('SIGKILL')
})

test('README: curl uploads a picture', async () => {
  const picture = sharp({ create: { width: 64, height: 64, channels: 3, background: '#c63' } })
  writeFileSync(join(folder, 'cat.jpg'), await picture.jpeg().toBuffer())
  const { url, mime } = JSON.parse(await shell(block('README.md', '-F file=@cat.jpg')))
  assert.match(url, /^\/v1\/files\//)
  assert.equal(mime, 'image/jpeg')
})

test('push.md: curl registers a token, and sets quiet hours', async () => {
  for (const path of ['users/1001/push-tokens', 'users/1001/push-settings']) {
    const script = block('docs/push.md', path).replaceAll('curl ', 'curl -sS -o answer -w %{http_code} ')
    assert.match(await shell(script), /^20[014]$/, path)
  }
})

test('topics.md: the push that it shows is taken over HTTP too', async () => {
  const push = JSON.parse(block('docs/topics.md', '"push_type": "order.paid"'))
  assert.equal((await system.api.post('/v1/pushes', push)).status, 201)
})

test('operations.md: the commands that it begins with are done, and do no harm', async () => {
  const commands = block('docs/operations.md', 'ops -- replay').matchAll(/npm run ops -- ([^#\n]+)/g)
  for (const [, words = ''] of commands) {
    const { code, said } = await ops(system, words.trim())
    assert.equal(code, 0, `${words}: ${said}`)
  }
})

test('README: a process with two roles starts as it is written, on what --setup made', async () => {
  const lines = block('README.md', 'main.js --setup').split('\n')
  const env = {
    PROFILE: 'production',
    API_KEY: 'a key',
    TOKEN_SECRET: 'sixteen-characters-and-more',
    KAFKA_BROKERS: system.kafka,
    DATABASE_URL: system.databaseUrl,
    REDIS_URL: system.redisUrl,
    TOPIC_PREFIX: system.prefix,
    TOPIC_PARTITIONS: '2',
  }
  const written = (start: string) => lines.find((line) => line.startsWith(start))!
  assert.match(
    await runToEnd(['sh', '-ec', written('node dist/main.js --setup')], { cwd: root, env }),
    /up to date/,
  )
  const line = written('node dist/main.js --roles message-store,delivery').replace(/#.*/, '')
  const worker = run(['sh', '-ec', `exec ${line}`], { cwd: root, env })
  programs.push(worker)
  await worker.says(/ready/, within_ms)
  assert.equal(await worker.end('SIGTERM'), 0)
})

test('client/README.md: ten lines to the first message', async () => {
  const snippet = block('client/README.md', 'await chat.connect()')
  assert.ok(snippet.trim().split('\n').length <= 10)
  copyFileSync(join(root, 'dist/client/coffeechat.min.js'), join(folder, 'coffeechat.min.js'))
  // A page has WebSocket, as later versions of Node do.
  const page = `import { createRequire } from 'node:module'
globalThis.WebSocket ??= createRequire(${JSON.stringify(join(root, 'package.json'))})('ws')
const token = ${JSON.stringify(tokens.ada)}
`
  writeFileSync(join(folder, 'page.mjs'), page + snippet)
  const program = run([process.execPath, join(folder, 'page.mjs')])
  programs.push(program)
  await program.says(/^1001 hello$/m, within_ms)
})
