/** The examples of docs/webhooks.md run as they are written, and check what we post to them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createBeforeSend } from '../../../infra/webhooks/before-send.js'
import { createEventSink } from '../../../infra/webhooks/events.js'
import { draft } from '../../helpers/draft.js'
import { silentLog } from '../../helpers/log.js'
import { type Program, run } from '../../helpers/program.js'

const root = join(import.meta.dirname, '../../../..') // from dist/test/infra/webhooks
const secret = 'secret-of-the-example'
const forgedBody = '{"event_id":"e4","event":"message.stored"}'
const python = spawnSync('python3', ['--version']).status === 0 ? false : 'needs python3'

const examples: readonly [string, string, string | false, [string, ...string[]]][] = [
  ['Python', 'webhook.py', python, ['python3', 'docs/examples/webhook.py']],
  ['TypeScript', 'webhook.ts', false, [process.execPath, 'dist/docs/examples/webhook.js']],
]

const running = new Map<string, { program: Program; url: string }>()
before(async () => {
  for (const [language, , skipped, command] of examples) {
    if (skipped) continue
    const program = run(command, { cwd: root, env: { WEBHOOK_SECRET: secret, PORT: '0' } })
    const [, url] = await program.says(/^listening on (\S+)$/m)
    running.set(language, { program, url: url! })
  }
})
after(async () => {
  for (const { program } of running.values()) await program.end('SIGKILL')
})

for (const [language, file, skip] of examples) {
  const url = (path: string) => `${running.get(language)!.url}${path}`
  const beforeSend = (settings: { secret?: string; onFailure?: 'allow' | 'refuse' } = {}) =>
    createBeforeSend({
      url: url('before-send'),
      secret,
      timeout_ms: 5_000,
      onFailure: 'refuse',
      maxMessageBytes: 1_000,
      log: silentLog,
      ...settings,
    })
  const tell = (event_id: string, key = secret) =>
    createEventSink({ addressFor: () => url('events'), secret: key, timeout_ms: 5_000, log: silentLog }).post(
      {
        event_id,
        kind: 'message',
        lane: 'message.stored|c:1:2',
        position: 1,
        body: JSON.stringify({ event_id, event: 'message.stored', time: 1, data: { text: 'grüße 👋' } }),
      },
    )

  test(`the example in ${language} lets messages pass, refuses and changes them`, { skip }, async () => {
    const texts = ['fine 👋', 'a forbidden word', 'how rude']
    const drafts = texts.map((text, at) => draft(`${at}`, { msg_data: Buffer.from(text) }))
    assert.deepEqual(await beforeSend().judge(drafts), [
      { kind: 'allow' },
      { kind: 'refuse', res_code: 5 },
      { kind: 'change', msg_data: Buffer.from('how ****') },
    ])
  })

  test(`the example in ${language} takes each event once, however often it comes`, { skip }, async () => {
    const { program } = running.get(language)!
    for (const id of ['e1', 'e1', 'e2']) assert.deepEqual(await tell(id), { outcome: 'taken' })
    await program.says(/^message\.stored e2$/m)
    assert.equal(program.said().match(/e1/g)?.length, 1)
  })

  test(`the example in ${language} takes nothing that is signed with another secret`, { skip }, async () => {
    const refused = { outcome: 'not-taken', reason: 'HTTP 401' }
    assert.deepEqual(await tell('e3', 'secret-of-somebody-else'), refused)
    assert.deepEqual(await beforeSend({ secret: 'secret-of-somebody-else' }).judge([draft()]), [
      { kind: 'refuse', res_code: 10 },
    ])
  })

  const now_s = Math.floor(Date.now() / 1_000)
  const forged: readonly [string, Record<string, string>][] = [
    ['without a signature', { 'x-coffeechat-timestamp': `${now_s}` }],
    ['with a time that is not the signed one', headersAt(now_s, now_s + 1)],
    ['that is older than five minutes', headersAt(now_s - 301)],
    ['of another body', headersAt(now_s, now_s, '{"event_id":"e5"}')],
  ]
  for (const [which, headers] of forged)
    test(`the example in ${language} takes no post ${which}`, { skip }, async () => {
      const { status } = await fetch(url('events'), { method: 'POST', body: forgedBody, headers })
      assert.equal(status, 401)
    })

  test(`what docs/webhooks.md shows of it in ${language} is in the example`, () => {
    const page = readFileSync(join(root, 'docs/webhooks.md'), 'utf8')
    const shown = new RegExp(`\`\`\`${file.split('.')[1]}\n(.*?)\`\`\``, 's').exec(page)?.[1]
    assert.ok(shown && readFileSync(join(root, 'docs/examples', file), 'utf8').includes(shown))
  })
}

function headersAt(signed_s: number, shown_s = signed_s, body = forgedBody): Record<string, string> {
  const digest = createHmac('sha256', secret).update(`${signed_s}.${body}`).digest('hex')
  return { 'x-coffeechat-timestamp': String(shown_s), 'x-coffeechat-signature': `sha256=${digest}` }
}
