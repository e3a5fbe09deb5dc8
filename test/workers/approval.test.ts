/** Who is asked about which message before it is stored; and that nobody and nothing is where no webhook is set. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { coffeechat } from '../../proto/index.js'
import { approve } from '../../workers/kit/approval.js'
import { messageStore } from '../../workers/message-store.worker.js'
import type { MessageForReader } from '../../workers/ports/messages.js'
import type { BeforeSend, Draft, Verdict } from '../../workers/ports/webhooks.js'
import { draft } from '../helpers/draft.js'

const bytes = (text: string) => Buffer.from(text)

/** @param stored by msg_id; @param verdicts by msg_id, `allow` where there is none */
function world(stored: Record<string, string> = {}, verdicts: Record<string, Verdict> = {}) {
  const asked: string[] = []
  const messages = {
    of: async (keys: readonly { msg_id: string }[]) =>
      keys.map(({ msg_id }) => {
        const text = stored[msg_id]
        if (text === undefined) return undefined
        return {
          msg_id,
          msg_data: bytes(text),
          attach: 'stored',
          mention: [9],
        } as unknown as MessageForReader
      }),
  }
  const beforeSend: BeforeSend = {
    judge: async (drafts) =>
      drafts.map(({ msg_id, msg_data }) => {
        asked.push(`${msg_id}:${Buffer.from(msg_data)}`)
        return verdicts[msg_id] ?? { kind: 'allow' }
      }),
  }
  return { asked, approve: (...drafts: Draft[]) => approve(drafts, messages, beforeSend) }
}

const hello = { msg_data: bytes('hello'), attach: null, mention: [] }

test('what is allowed is stored as it was sent', async () => {
  const { approve: judged, asked } = world()
  assert.deepEqual(await judged(draft('a')), [{ ...hello, sent: undefined }])
  assert.deepEqual(asked, ['a:hello'])
})

test('what is refused is not stored, and its sender learns the code', async () => {
  const { approve: judged } = world({}, { a: { kind: 'refuse', res_code: 5 } })
  assert.deepEqual(await judged(draft('a'), draft('b')), [{ refused: 5 }, { ...hello, sent: undefined }])
})

test('what is changed is stored so, with what was sent beside it', async () => {
  const { approve: judged } = world(
    {},
    {
      text: { kind: 'change', msg_data: bytes('changed') },
      attach: { kind: 'change', attach: 'new' },
      none: { kind: 'change', attach: null },
    },
  )
  const given = { attach: 'old', mention: [7] }
  const sent = { msg_data: bytes('hello'), ...given }
  assert.deepEqual(await judged(draft('text', given), draft('attach', given), draft('none', given)), [
    { ...sent, msg_data: bytes('changed'), sent },
    { ...sent, attach: 'new', sent },
    { ...sent, attach: null, sent },
  ])
})

test('nobody is asked about what is stored: it stays as it is, and what was sent is compared', async () => {
  const { approve: judged, asked } = world({ a: 'changed' })
  const stored = { msg_data: bytes('changed'), attach: 'stored', mention: [9] }
  assert.deepEqual(await judged(draft('a'), draft('a', { msg_data: bytes('other') })), [
    { ...stored, sent: hello },
    { ...stored, sent: { ...hello, msg_data: bytes('other') } },
  ])
  assert.deepEqual(asked, [])
})

test('two copies in one batch are asked about once, another message under the same msg_id is not taken for one', async () => {
  const { approve: judged, asked } = world({}, { a: { kind: 'refuse', res_code: 5 } })
  await judged(draft('a'), draft('a'), draft('a', { msg_data: bytes('other') }))
  assert.deepEqual(asked, ['a:hello', 'a:other'])
})

test('without a webhook nothing is read, awaited or copied for it', async () => {
  const never = new Proxy({}, { get: (_, name) => assert.fail(`${String(name)} is used`) })
  const nickNames = { of: async () => new Map([[1001, 'Ada']]) }
  const submitted = { message: { from_user_id: 1001 } } as coffeechat.event.IMessageSubmitted
  const ports = { nickNames, beforeSend: undefined, messages: never, store: never, robots: never }
  const loaded = await messageStore.load!([submitted], { ...ports, fileMentions: never } as never, [])
  assert.deepEqual(loaded, { nickNames: new Map([[1001, 'Ada']]) })
})
