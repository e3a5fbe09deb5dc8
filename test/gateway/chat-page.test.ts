/** The web chat hands tokens to nobody but its own page on this machine, in the local profile. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { startTestGate, type TestGate } from '../helpers/gate.js'

const chatFiles = new Map([['index.html', { type: 'text/html', body: Buffer.from('<!doctype html>') }]])

/** The status of a GET; unlike fetch it may say any Host. */
const statusOf = (gate: TestGate, path: string, headers: Record<string, string> = {}): Promise<number> =>
  new Promise((resolve, reject) => {
    const call = request({ port: gate.http, host: '127.0.0.1', path, headers }, (response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    call.once('error', reject)
    call.end()
  })

test('in the local profile the page is served, with a policy that lets nothing else in', async (t) => {
  const gate = await startTestGate({}, { chatFiles })
  t.after(() => gate.stop())
  const response = await fetch(`http://127.0.0.1:${gate.http}/chat`)
  assert.equal(response.status, 200)
  const policy = response.headers.get('content-security-policy') ?? ''
  assert.match(policy, /default-src 'none'/)
  assert.doesNotMatch(policy, /unsafe|https?:|\*/)
  for (const path of ['/chat/nothing.js', '/chat/..%2fpackage.json', '/chat/index.html/x'])
    assert.equal(await statusOf(gate, path), 404, path)
})

const strangers: Record<string, Record<string, string>> = {
  'a name that leads here (DNS rebinding)': { host: 'evil.example:8080' },
  'a name that begins like ours': { host: '127.0.0.1.evil.example' },
  'a proxy': { 'x-forwarded-for': '192.0.2.1' },
  'a proxy of the other kind': { forwarded: 'for=192.0.2.1' },
  'another page, by a browser that says no more': { origin: 'https://evil.example' },
  "another site's script": { 'sec-fetch-site': 'cross-site' },
  'another site on this machine': { 'sec-fetch-site': 'same-site' },
}
test('tokens are not handed to anybody from elsewhere', async (t) => {
  const gate = await startTestGate({}, { chatFiles })
  t.after(() => gate.stop())
  for (const [who, headers] of Object.entries(strangers))
    assert.equal(await statusOf(gate, '/chat/users', headers), 404, who)
})

const elsewhere: Record<string, Record<string, string>> = {
  production: { PROFILE: 'production', TOKEN_SECRET: 'secret-of-the-tests-0123456789' },
  'a gate that others can reach': { HOST: '0.0.0.0', EXPOSE: 'true' },
}
for (const [where, settings] of Object.entries(elsewhere))
  test(`on ${where} there is no chat and no token`, async (t) => {
    const gate = await startTestGate(settings, { chatFiles })
    t.after(() => gate.stop())
    for (const path of ['/chat', '/chat/index.html', '/chat/users'])
      assert.equal(await statusOf(gate, path), 404, path)
  })
