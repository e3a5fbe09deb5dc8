/** Files of the client library: what messages bring, and what becomes of a call that fails. */
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type CallClass, createFiles, fileOf, msgTypeOf, overFetch, overXhr } from '../../client/files.js'
import { ChatError, MsgType } from '../../client/index.js'

const id = 'a'.repeat(32)
const message = (msg_type: MsgType, body: string) => ({ msg_type, msg_data: new TextEncoder().encode(body) })

test('a file is read from the body of a message that has one', () => {
  const file = { url: `/v1/files/${id}`, name: 'cup.png', size: 7, mime: 'image/png', width: 4, height: 3 }
  assert.deepEqual(fileOf(message(MsgType.IMAGE, JSON.stringify({ ...file, more: 1 }))), file)
  assert.deepEqual(fileOf(message(MsgType.FILE, '{"url":"x"}')), { url: 'x' })
})

const strange: [why: string, msg_type: MsgType, body: string][] = [
  ['it is text', MsgType.TEXT, '{"url":"x"}'],
  ['it is no JSON', MsgType.IMAGE, 'cup.png'],
  ['it is null', MsgType.IMAGE, 'null'],
  ['it has no url', MsgType.IMAGE, '{"name":"cup.png"}'],
  ['its url is a number', MsgType.AUDIO, '{"url":7}'],
  ['it is nothing', MsgType.VIDEO, ''],
]
for (const [why, msg_type, body] of strange)
  test(`a message brings no file where ${why}`, () => {
    assert.equal(fileOf(message(msg_type, body)), undefined)
  })

test('fields of a wrong kind are left out', () => {
  const body = { url: 'x', name: 1, mime: {}, size: -1, width: '4', height: null, thumb_url: [] }
  assert.deepEqual(fileOf(message(MsgType.IMAGE, JSON.stringify(body))), { url: 'x' })
})

test('the type of a message follows from the content of its file', () => {
  const mimes = ['image/png', 'audio/ogg', 'video/mp4', 'application/pdf', 'imagery/x', '']
  const { IMAGE, AUDIO, VIDEO, FILE } = MsgType
  assert.deepEqual(
    mimes.map((mime) => msgTypeOf({ mime })),
    [IMAGE, AUDIO, VIDEO, FILE, FILE, FILE],
  )
})

/** An HTTP server that answers so, and the files of a client whose gateway it is. */
async function filesOn(t: TestContext, answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const addresses = [`ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`]
  return createFiles({ user_id: 1, token: async () => 'fetched', addresses }, overFetch)
}

const refusals: [what: string, status: number, body: string, code: string][] = [
  ['a refusal of the API', 413, '{"error":{"code":"TOO_LARGE","message":"too large"}}', 'TOO_LARGE'],
  ['a page of a proxy', 502, '<h1>Bad gateway</h1>', '502'],
  ['a success that says nothing', 200, '', '200'],
]
for (const [what, status, body, code] of refusals)
  test(`${what} is told with its code`, async (t) => {
    const files = await filesOn(t, (_request, response) => response.writeHead(status).end(body))
    await assert.rejects(
      files.upload(new Blob(['x'])),
      (error) => error instanceof ChatError && error.failure === 'refused' && error.code === code,
    )
  })

test('a call has the token of its moment; addresses of a file are whole', async (t) => {
  const asked: string[] = []
  const files = await filesOn(t, ({ method, url, headers }, response) => {
    asked.push(`${method} ${url} ${headers.authorization}`)
    response.end(
      JSON.stringify({ url: `/v1/files/${id}?s`, thumb_url: `/v1/files/${id}/thumbnail?s`, expires: 5 }),
    )
  })
  const { url, thumb_url, expires } = await files.sign({ url: `https://elsewhere.example/v1/files/${id}` })
  assert.deepEqual(asked, [`POST /v1/files/${id}:sign Bearer fetched`])
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/v1\/files\/a{32}\?s$/)
  assert.match(thumb_url ?? '', /^http:\/\/127\.0\.0\.1:\d+\/v1\/files\/a{32}\/thumbnail\?s$/)
  assert.equal(expires, 5)
})

test('no address is asked for what is no file of the server', async (t) => {
  const files = await filesOn(t, () => assert.fail('asked'))
  for (const url of ['', 'https://evil.example/x.png', `/v1/files/${id}/../../users`, `/v1/files/${id}0`])
    await assert.rejects(files.sign({ url }), /no file of the server/)
})

test('where nobody answers, and where it is ended, that is told', async (t) => {
  const ending = new AbortController()
  const files = await filesOn(t, (request) => {
    if (ending.signal.aborted) request.socket.destroy()
    else ending.abort()
  })
  const failure = (expected: string) => (error: unknown) =>
    error instanceof ChatError && error.failure === expected
  await assert.rejects(files.upload(new Blob(['x']), { signal: ending.signal }), failure('closed'))
  await assert.rejects(files.upload(new Blob(['x'])), failure('lost'))
  const nowhere = createFiles({ user_id: 1, token: 't', addresses: ['tcp://127.0.0.1:1'] }, overFetch)
  await assert.rejects(nowhere.upload(new Blob(['x'])), /option `server`/)
})

/** As a browser's: sends nothing, and does what a test tells it. */
function scriptedXhr(act: (call: ScriptedCall) => void) {
  return class {
    status = 201
    responseText = '{"url":"x"}'
    upload = { onprogress: (_: { loaded: number; total: number }) => {} }
    onload = () => {}
    onerror = () => {}
    onabort = () => {}
    open() {}
    setRequestHeader() {}
    abort() {
      this.onabort()
    }
    send() {
      act(this)
    }
  } as CallClass
}
interface ScriptedCall {
  readonly upload: { onprogress(event: { loaded: number; total: number }): void }
  onload(): void
  onerror(): void
}

test('in a browser an upload tells how far it is, and may be ended', async () => {
  const options = { user_id: 1, token: 't', server: 'https://chat.example.com/' }
  const told: number[] = []
  const whole = scriptedXhr(({ upload, onload }) => {
    for (const loaded of [1, 4]) upload.onprogress({ loaded, total: 4 })
    onload()
  })
  const onProgress = (sent: number, total: number) => void told.push(sent / total)
  await createFiles(options, overXhr(whole)).upload(new Blob(['x']), { onProgress })
  assert.deepEqual(told, [0.25, 1])

  const ending = new AbortController()
  const never = createFiles(options, overXhr(scriptedXhr(() => ending.abort())))
  const { signal } = ending
  await assert.rejects(never.upload(new Blob(['x']), { signal }), /ended here/)
  await assert.rejects(never.upload(new Blob(['x']), { signal }), /ended here/)
  const cut = createFiles(options, overXhr(scriptedXhr(({ onerror }) => onerror())))
  await assert.rejects(cut.upload(new Blob(['x'])), /did not answer/)
})
