/** Events that wait for the webhook, on the real PostgreSQL. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createWebhookQueue } from '../../../infra/postgres/webhook-queue.js'
import type { EventPlace, WaitingEvent, WebhookQueue } from '../../../workers/ports/webhooks.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'

let chat: StoredChat
let queue: WebhookQueue
before(async () => {
  chat = await openStoredChat()
  queue = createWebhookQueue(chat.pool)
})
after(() => chat.close())

const rows = (lane: string, ...positions: number[]): WaitingEvent[] =>
  positions.map((position) => ({ lane, position, rounds: 0 }))

/** `lane@position` of what waits, sorted. */
const waiting = async (...asked: EventPlace[]) =>
  (await queue.waiting(asked)).map(({ lane, position }) => `${lane}@${position}`).sort()

test('of a lane come its first ones, one more than are asked about, and those asked about wherever they stand', async () => {
  await queue.change([...rows('far', 1, 2, 3, 4, 5, 6, 7, 8), ...rows('other', 1)], [])
  assert.deepEqual(await waiting({ lane: 'far', position: 7 }), ['far@1', 'far@2', 'far@7'])
  assert.deepEqual(await waiting({ lane: 'far', position: 99 }), ['far@1', 'far@2'])
  assert.deepEqual(await waiting(...rows('far', 1, 2), ...rows('other', 2), ...rows('none', 1)), [
    'far@1',
    'far@2',
    'far@3',
    'other@1',
  ])
  assert.deepEqual(await waiting(), [])
})

test('what waits again has the last count of rounds, what is dropped waits no longer', async () => {
  await queue.change([{ lane: 'again', position: 1, rounds: 1 }], [])
  await queue.change(
    [
      { lane: 'again', position: 1, rounds: 2 },
      { lane: 'again', position: 1, rounds: 3 },
      { lane: 'again', position: 2, rounds: 0 },
    ],
    [{ lane: 'again', position: 3 }],
  )
  assert.deepEqual(await queue.waiting([{ lane: 'again', position: 1 }]), [
    { lane: 'again', position: 1, rounds: 3 },
    { lane: 'again', position: 2, rounds: 0 },
  ])
  await queue.change([], rows('again', 1, 2))
  assert.deepEqual(await waiting({ lane: 'again', position: 1 }), [])
})

test('one whose record has left its topic by now holds up nobody', async () => {
  await queue.change(rows('old', 1), [])
  await chat.pool.query(`UPDATE im_webhook_waiting SET noted = noted - 8 * 86400000 WHERE lane = 'old'`)
  assert.deepEqual(await waiting({ lane: 'old', position: 2 }), [])
})
