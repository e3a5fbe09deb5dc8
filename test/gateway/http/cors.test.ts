/** Pages of other origins: which may call what with a user token (ALLOWED_ORIGINS). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openRest } from './rest.js'

const rest = await openRest()
const { api, call } = rest
const page = { origin: 'https://shop.example' }
const stranger = { origin: 'https://evil.example' }
const readableBy = (headers: Readonly<Record<string, unknown>>) => headers['access-control-allow-origin']

const preflight = (url: string, origin: string, method = 'GET') =>
  api.inject({ method: 'OPTIONS', url, headers: { origin, 'access-control-request-method': method } })

test('a page that is allowed may read what clients call, and the list of gateways', async () => {
  const bearer = await rest.register(1)
  for (const [url, as] of [
    ['/v1/users/1/sessions', bearer],
    ['/v1/gateways', null],
  ] as const) {
    const { status, headers } = await call('GET', url, { bearer: as, headers: page })
    assert.deepEqual([status, readableBy(headers), headers.vary], [200, page.origin, 'origin'], url)
  }
})

test('a refusal may be read too, so that the page can say why', async () => {
  const { status, headers } = await call('GET', '/v1/users/1/sessions', { bearer: 'wrong', headers: page })
  assert.deepEqual([status, readableBy(headers)], [401, page.origin])
})

test('its preflight is answered, with the headers that clients send', async () => {
  const { statusCode, headers, body } = await preflight('/v1/files', page.origin, 'POST')
  assert.deepEqual([statusCode, body, readableBy(headers)], [204, '', page.origin])
  assert.match(String(headers['access-control-allow-methods']), /POST/)
  for (const name of ['authorization', 'content-type', 'idempotency-key'])
    assert.match(String(headers['access-control-allow-headers']), new RegExp(name))
  assert.equal(headers['access-control-allow-credentials'], undefined)
})

test('a page that is not allowed reads nothing, and its preflight is refused', async () => {
  const bearer = await rest.register(2)
  const { headers } = await call('GET', '/v1/users/2/sessions', { bearer, headers: stranger })
  assert.equal(readableBy(headers), undefined)
  for (const origin of [stranger.origin, 'null', 'https://shop.example.evil.example', 'http://shop.example'])
    assert.equal((await preflight('/v1/users/2/sessions', origin)).statusCode, 403, origin)
})

test('no page reads the calls of app servers, not even one with the key', async () => {
  const { status, headers } = await call('GET', '/v1/users/1', { headers: page })
  assert.deepEqual([status, readableBy(headers)], [200, undefined])
})

test('no page of another origin reads figures, health or descriptions', async () => {
  for (const url of ['/metrics', '/readyz', '/openapi.json']) {
    assert.equal(
      readableBy((await call('GET', url, { bearer: null, headers: page })).headers),
      undefined,
      url,
    )
    assert.equal((await preflight(url, page.origin)).statusCode, 404, url)
  }
})

test('who is no browser, and a page of the server itself, notice nothing', async () => {
  const { headers } = await call('GET', '/v1/gateways', { bearer: null })
  assert.equal(readableBy(headers), undefined)
  assert.equal((await api.inject({ method: 'OPTIONS', url: '/v1/users' })).statusCode, 404)
  const own = { host: 'chat.example', origin: 'http://chat.example' }
  assert.equal((await call('GET', '/v1/gateways', { bearer: null, headers: own })).status, 200)
})
