/** Which pages may open a WebSocket: ours, and those that the setting names. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import WebSocket from 'ws'
import { createOrigins } from '../../gateway/origins.js'
import { startTestGate } from '../helpers/gate.js'

/** ALLOWED_ORIGINS, Origin, Host → may it. */
const judgements: [string[], string | undefined, string | undefined, boolean][] = [
  [[], undefined, 'chat.example.com', true],
  [[], 'https://chat.example.com', 'chat.example.com', true],
  [[], 'http://127.0.0.1:8080', '127.0.0.1:8080', true],
  [[], 'http://127.0.0.1:8081', '127.0.0.1:8080', false],
  [[], 'https://CHAT.example.com', 'chat.EXAMPLE.com', true],
  [[], 'https://evil.example', 'chat.example.com', false],
  [[], 'https://chat.example.com.evil.example', 'chat.example.com', false],
  [[], 'null', 'chat.example.com', false],
  [[], '', 'chat.example.com', false],
  [[], 'file://', undefined, false],
  [['https://app.example.com/'], 'https://app.example.com', 'chat.example.com', true],
  [['https://app.example.com'], 'http://app.example.com', 'chat.example.com', false],
  [['https://app.example.com'], 'https://other.example.com', 'chat.example.com', false],
  [['*'], 'https://evil.example', 'chat.example.com', true],
]
for (const [allowed, origin, host, expected] of judgements)
  test(`a page from ${origin} may ${expected ? '' : 'not '}connect to ${host}, allowed: ${allowed}`, () => {
    assert.equal(createOrigins(allowed)(origin, host), expected)
  })

/** How an upgrade is answered. */
const answerTo = (port: number, origin: string | undefined): Promise<number> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, origin === undefined ? {} : { origin })
    socket.once('open', () => {
      socket.terminate()
      resolve(101)
    })
    socket.once('unexpected-response', (_request, { statusCode }) => {
      socket.terminate()
      resolve(statusCode!)
    })
    socket.on('error', () => {})
  })

test('a gate refuses the upgrade of a page from elsewhere with 403', async (t) => {
  const gate = await startTestGate({ ALLOWED_ORIGINS: 'https://app.example.com' })
  t.after(() => gate.stop())
  const { http } = gate
  assert.equal(await answerTo(http, undefined), 101)
  assert.equal(await answerTo(http, `http://127.0.0.1:${http}`), 101)
  assert.equal(await answerTo(http, 'https://app.example.com'), 101)
  assert.equal(await answerTo(http, 'https://evil.example'), 403)
})
