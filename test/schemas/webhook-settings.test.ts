import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConfigError, readConfig } from '../../schemas/config.js'
import { addressFor, tellsEvents } from '../../schemas/webhook-settings.js'

const secret = 'secret-of-16-and-more'
const production = {
  PROFILE: 'production',
  API_KEY: 'a key',
  TOKEN_SECRET: 'secret of the tokens',
}

const faulty: readonly [NodeJS.ProcessEnv, RegExp][] = [
  [{ WEBHOOK_BEFORE_SEND_URL: 'ftp://a/' }, /WEBHOOK_BEFORE_SEND_URL: /],
  [{ WEBHOOK_EVENTS_URL: 'no address' }, /WEBHOOK_EVENTS_URL: /],
  [{ WEBHOOK_EVENTS_URL: 'https://user:word@a/' }, /without a user and a password/],
  [{ WEBHOOK_EVENTS_SECRET: 'short' }, /WEBHOOK_EVENTS_SECRET: at least 16 characters/],
  [{ WEBHOOK_EVENTS_ROUTES: 'presence' }, /each is one of message, receipt, presence, contact/],
  [{ WEBHOOK_EVENTS_ROUTES: 'group=https://a/' }, /each is one of/],
  [{ WEBHOOK_EVENTS_ROUTES: 'presence=file:///etc/passwd' }, /each is one of/],
  [{ WEBHOOK_RETRY_DELAYS_MS: '1000,2000' }, /WEBHOOK_RETRY_DELAYS_MS/],
  [{ WEBHOOK_BEFORE_SEND_ON_FAILURE: 'maybe' }, /WEBHOOK_BEFORE_SEND_ON_FAILURE/],
  [
    { WEBHOOK_BEFORE_SEND_URL: 'http://a/', WEBHOOK_BEFORE_SEND_TIMEOUT_MS: '8000' },
    /must be below MESSAGE_ACK_TIMEOUT_MS/,
  ],
  [
    { ...production, WEBHOOK_BEFORE_SEND_URL: 'https://a/' },
    /WEBHOOK_BEFORE_SEND_URL needs WEBHOOK_BEFORE_SEND_SECRET/,
  ],
  [{ ...production, WEBHOOK_EVENTS_ROUTES: 'message=https://a/' }, /need WEBHOOK_EVENTS_SECRET/],
]

for (const [env, fault] of faulty)
  test(`refused: ${Object.entries(env).at(-1)?.join('=')}`, () => {
    assert.throws(() => readConfig(env), fault)
  })

test('an address that is refused is not shown: a token may be in it', () => {
  const shown = (env: NodeJS.ProcessEnv): string => {
    try {
      readConfig(env)
    } catch (error) {
      return (error as ConfigError).message
    }
    return ''
  }
  for (const name of ['WEBHOOK_BEFORE_SEND_URL', 'WEBHOOK_EVENTS_URL', 'WEBHOOK_EVENTS_ROUTES']) {
    const message = shown({ [name]: 'ftp://a/token-of-the-address' })
    assert.match(message, new RegExp(name))
    assert.doesNotMatch(message, /token-of-the-address/)
  }
})

test('each kind goes to its own address, else to the common one, or nowhere', () => {
  const config = readConfig({
    ...production,
    WEBHOOK_EVENTS_URL: 'https://all/',
    WEBHOOK_EVENTS_ROUTES: 'receipt=https://read/?a=b, presence=off',
    WEBHOOK_EVENTS_SECRET: secret,
  })
  assert.deepEqual(
    ['message', 'receipt', 'presence', 'contact'].map((kind) => addressFor(config, kind)),
    ['https://all/', 'https://read/?a=b', undefined, 'https://all/'],
  )
})

test('events are told where any kind has an address', () => {
  const tells = (env: NodeJS.ProcessEnv) => tellsEvents(readConfig(env))
  assert.equal(tells({}), false)
  assert.equal(tells({ WEBHOOK_EVENTS_ROUTES: 'presence=off' }), false)
  assert.equal(tells({ WEBHOOK_EVENTS_ROUTES: 'presence=http://a/' }), true)
  assert.equal(tells({ WEBHOOK_EVENTS_URL: 'http://a/' }), true)
})
