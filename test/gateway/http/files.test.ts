/** Files: who may upload what, who may see it, and how it is served (spec 4). */
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import sharp from 'sharp'
import { formWith } from '../../helpers/form.js'
import { conditionHolds } from '../../helpers/wait.js'
import { openRest, type Reply } from './rest.js'

const rest = await openRest()
const { call } = rest
const tokens = new Map<number, string>()
for (const id of [1, 2, 3, 4, 5]) tokens.set(id, await rest.register(id))
const as = (user: number) => ({ bearer: tokens.get(user) ?? '' })

const picture = await sharp({ create: { width: 640, height: 480, channels: 3, background: '#c63' } })
  .png()
  .toBuffer()
const upload = (
  user: number,
  bytes: Uint8Array | string = picture,
  more: Parameters<typeof formWith>[1] = {},
) => call('POST', '/v1/files', { ...as(user), ...formWith(bytes, more) })
const uploaded = async (user: number): Promise<string> => (await upload(user, randomBytes(50))).body.file_id
const see = async (user: number, file: string) => (await call('GET', `/v1/files/${file}`, as(user))).status
const fetched = (url: string, headers: Record<string, string> = {}, user = 1) =>
  rest.api.inject({ url, headers: { authorization: `Bearer ${tokens.get(user)}`, ...headers } })

/** A message that names a file, as an app would write it. */
const send = (from: number, to: object, file: string) =>
  call('POST', '/v1/messages', {
    body: {
      from_user_id: String(from),
      ...to,
      msg_id: randomUUID(),
      msg_type: 7,
      text: JSON.stringify({ url: `/v1/files/${file}`, size: 50 }),
    },
  })
const share = (from: number, to: number, file: string) => send(from, { to_user_id: String(to) }, file)
const names = (folder = rest.filesFolder) =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.includes('/'))

test('a picture is stored, described as a message has it, and given back with a small one', async () => {
  const { status, body } = await upload(1)
  assert.equal(status, 201)
  assert.match(body.file_id, /^[0-9a-f]{32}$/)
  assert.deepEqual(body, {
    file_id: body.file_id,
    url: `/v1/files/${body.file_id}`,
    name: 'cat.png',
    size: picture.length,
    mime: 'image/png',
    width: 640,
    height: 480,
    thumb_url: `/v1/files/${body.file_id}/thumbnail`,
  })
  const whole = await fetched(body.url)
  assert.deepEqual([whole.statusCode, whole.rawPayload], [200, picture])
  const small = await fetched(body.thumb_url)
  assert.equal(small.headers['content-type'], 'image/webp')
  const { width, height } = await sharp(small.rawPayload).metadata()
  assert.deepEqual([width, height], [320, 240])
})

test('a picture that lies on its side is measured as it is shown', async () => {
  const turned = await sharp(picture).jpeg().withMetadata({ orientation: 6 }).toBuffer()
  const { width, height, mime } = (await upload(1, turned)).body
  assert.deepEqual([width, height, mime], [480, 640, 'image/jpeg'])
})

test('what only begins like a picture is kept without a small one', async () => {
  const { status, body } = await upload(1, picture.subarray(0, 100))
  assert.deepEqual([status, body.mime, body.thumb_url, body.width], [201, 'image/png', undefined, undefined])
  const { body: answer, status: found } = await call('GET', `${body.url}/thumbnail`, as(1))
  assert.deepEqual([found, answer.error.code], [404, 'NO_THUMBNAIL'])
})

test('what a browser could run is only ever saved, whatever it is called', async () => {
  for (const text of ['<script>alert(1)</script>', '<svg onload="alert(1)"/>', 'GIF', '%!PS']) {
    const { body } = await upload(1, text, { name: 'evil.html', type: 'text/html' })
    const { headers } = await fetched(body.url)
    assert.equal(headers['content-type'], 'application/octet-stream')
    assert.equal(headers['content-disposition'], "attachment; filename*=UTF-8''evil.html")
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.match(String(headers['content-security-policy']), /default-src 'none'; sandbox/)
  }
  const shown = await fetched((await upload(1, picture, { name: 'a (b) ü.png' })).body.url)
  assert.match(
    String(shown.headers['content-disposition']),
    /^inline; filename\*=UTF-8''a%20%28b%29%20%C3%BC\.png$/,
  )
  assert.match(String(shown.headers['content-security-policy']), /sandbox/)
})

test('ranges, conditions and HEAD are answered as HTTP says', async () => {
  const { url } = (await upload(1)).body
  const part = await fetched(url, { range: 'bytes=10-19' })
  assert.deepEqual([part.statusCode, part.rawPayload], [206, picture.subarray(10, 20)])
  assert.equal(part.headers['content-range'], `bytes 10-19/${picture.length}`)
  const beyond = await fetched(url, { range: 'bytes=999999-' })
  assert.deepEqual(
    [beyond.statusCode, beyond.headers['content-range'], beyond.json().error.code],
    [416, `bytes */${picture.length}`, 'RANGE_NOT_SATISFIABLE'],
  )
  const etag = String(part.headers.etag)
  assert.equal((await fetched(url, { 'if-none-match': etag })).statusCode, 304)
  assert.equal((await fetched(url, { range: 'bytes=0-1', 'if-range': etag })).statusCode, 206)
  assert.equal((await fetched(url, { range: 'bytes=0-1', 'if-range': '"other"' })).statusCode, 200)
  const authorization = `Bearer ${tokens.get(1)}`
  const head = await rest.api.inject({ method: 'HEAD', url, headers: { authorization } })
  assert.deepEqual(
    [head.statusCode, head.headers['content-length'], head.rawPayload.length],
    [200, String(picture.length), 0],
  )
})

const refusals: [string, () => Promise<Reply>, number, string][] = [
  [
    'without a key',
    () => call('POST', '/v1/files', { bearer: null, ...formWith(picture) }),
    401,
    'UNAUTHORIZED',
  ],
  ['that is too large', () => upload(1, Buffer.alloc(200_001)), 413, 'TOO_LARGE'],
  ['of a type that is not taken', () => upload(1, '%PDF-1.7'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ['that is empty', () => upload(1, ''), 400, 'BAD_REQUEST'],
  ['that is no form', () => call('POST', '/v1/files', { ...as(1), body: {} }), 415, 'UNSUPPORTED_MEDIA_TYPE'],
  [
    'for somebody else',
    () => call('POST', '/v1/files?user_id=2', { ...as(1), ...formWith(picture) }),
    403,
    'FORBIDDEN',
  ],
  ['with an API key for nobody', () => call('POST', '/v1/files', formWith(picture)), 400, 'BAD_REQUEST'],
  [
    'for an unknown user',
    () => call('POST', '/v1/files?user_id=404', formWith(picture)),
    404,
    'USER_NOT_FOUND',
  ],
]
for (const [what, refused, status, code] of refusals)
  test(`a file ${what} is a ${status} ${code}, and leaves nothing`, async () => {
    const before = names()
    const answer = await refused()
    assert.deepEqual([answer.status, answer.body.error.code], [status, code])
    assert.deepEqual(names(), before)
  })

test('a form without a file, one that is cut, and one that is none are a 400', async () => {
  const { headers, body } = formWith(picture)
  const forms = [
    formWith('x')
      .body.toString()
      .replace(/; filename="[^"]*"/, ''),
    body.subarray(0, 200).toString('latin1'),
    'no form at all',
    '',
  ]
  for (const form of forms) {
    const answer = await call('POST', '/v1/files', { ...as(1), headers, body: form })
    assert.equal(answer.status, 400, form.slice(0, 80))
  }
  const other = { 'content-type': 'multipart/form-data' }
  assert.ok([400, 415].includes((await call('POST', '/v1/files', { ...as(1), headers: other, body })).status))
})

test('elsewhere a form is no body', async () => {
  assert.equal((await call('POST', '/v1/users', formWith('{}'))).status, 415)
})

test('an app server uploads for a user, and sees every file', async () => {
  const { body } = await call('POST', '/v1/files?user_id=1', formWith(picture))
  assert.equal(await see(1, body.file_id), 200)
  assert.equal((await call('GET', body.url)).status, 200)
})

test('the same Idempotency-Key is answered with the first file; another user’s key is another', async () => {
  const key = { 'idempotency-key': randomUUID() }
  const form = formWith(picture)
  const options = (user: number) => ({ ...as(user), body: form.body, headers: { ...form.headers, ...key } })
  const first = await call('POST', '/v1/files', options(1))
  assert.deepEqual((await call('POST', '/v1/files', options(1))).body, first.body)
  assert.notEqual((await call('POST', '/v1/files', options(2))).body.file_id, first.body.file_id)
})

test('what one user uploads within 24 hours is limited, and a repeat is none', async () => {
  const user = 6
  tokens.set(user, await rest.register(user))
  const key = { 'idempotency-key': randomUUID() }
  const form = formWith(randomBytes(190_000))
  const large = () => call('POST', '/v1/files', { ...as(user), body: form.body, headers: form.headers })
  const first = await call('POST', '/v1/files', {
    ...as(user),
    body: form.body,
    headers: { ...form.headers, ...key },
  })
  const answers = []
  for (let time = 0; time < 10; time++) answers.push((await large()).status)
  assert.deepEqual(answers, [...Array(9).fill(201), 429])
  assert.equal((await large()).body.error.code, 'UPLOAD_QUOTA_USED')
  assert.equal((await upload(user, randomBytes(50))).status, 201, 'what is small enough fits in still')
  assert.equal((await upload(1, randomBytes(50))).status, 201, 'nobody else is meant')
  const again = { ...as(user), body: form.body, headers: { ...form.headers, ...key } }
  assert.deepEqual((await call('POST', '/v1/files', again)).body, first.body)
  await rest.pool.query('UPDATE im_file SET created = created - 86400000 WHERE user_id = $1', [user])
  assert.equal((await large()).status, 201, 'a day later')
})

test('uploads at the same time share one limit; what fails gives its part back', async () => {
  const user = 7
  tokens.set(user, await rest.register(user))
  const large = () => upload(user, randomBytes(190_000))
  const answers = await Promise.all(Array.from({ length: 25 }, large))
  const codes = answers.map(({ status, body }) => (status === 201 ? status : body.error.code))
  assert.equal(codes.filter((code) => code === 201).length, 10)
  assert.equal(codes.filter((code) => code === 'UPLOAD_QUOTA_USED').length, 15)

  await rest.pool.query('UPDATE im_file SET created = created - 86400000 WHERE user_id = $1', [user])
  // With what is around a file ten of them are above the limit.
  const broken = Array.from({ length: 9 }, () => upload(user, randomBytes(200_001)))
  for (const { status } of await Promise.all(broken)) assert.equal(status, 413)
  const isReleased = async () => {
    const { rows } = await rest.pool.query(
      'SELECT sum(size)::integer AS size FROM im_file WHERE user_id = $1 AND state = 0',
      [user],
    )
    return rows[0].size === 0
  }
  await conditionHolds('what was reserved is free', isReleased)
  assert.deepEqual(
    (await Promise.all(Array.from({ length: 10 }, large))).map(({ status }) => status),
    Array(10).fill(201),
  )
})

test('nobody sees a file but its uploader and who reads a message that names it', async () => {
  const file = await uploaded(1)
  assert.deepEqual([await see(1, file), await see(2, file)], [200, 404])
  await share(1, 2, file)
  assert.deepEqual([await see(1, file), await see(2, file), await see(3, file)], [200, 200, 404])
})

test('a message passes a file on only if its sender could see it, whenever that is asked again', async () => {
  const file = await uploaded(1)
  await share(3, 4, file)
  assert.deepEqual([await see(3, file), await see(4, file)], [404, 404])
  await share(1, 3, file)
  assert.deepEqual([await see(3, file), await see(4, file)], [200, 404])
  await share(3, 4, file)
  assert.equal(await see(4, file), 200)
})

test('a group message passes a file on to who was a member then', async () => {
  const members = { owner_id: '1', group_name: 'g', members: ['2', '3'] }
  const { group_id } = (await call('POST', '/v1/groups', { body: members })).body
  const file = await uploaded(1)
  await call('DELETE', `/v1/groups/${group_id}/members`, { body: { members: ['3'] } })
  await send(1, { group_id }, file)
  await call('POST', `/v1/groups/${group_id}/members`, { body: { members: ['4'] } })
  assert.deepEqual([await see(2, file), await see(3, file), await see(4, file)], [200, 404, 404])
  await call('DELETE', `/v1/groups/${group_id}/members`, { body: { members: ['2'] } })
  assert.equal(await see(2, file), 200, 'who left sees what came before')
})

test('a signed address needs no key, is for its file alone, and is given to who sees the file', async () => {
  const [file, other] = [await uploaded(1), await uploaded(1)]
  const { url, expires } = (await call('POST', `/v1/files/${file}:sign`, as(1))).body
  assert.ok(expires > Date.now() + 590_000 && expires <= Date.now() + 601_000)
  assert.equal((await call('GET', url, { bearer: null })).status, 200)
  const wrong = [
    url.replace(file, other),
    url.replace(/expires=\d+/, `expires=${Math.floor(expires / 1_000) + 60}`),
    url.replace(/expires=\d+/, 'expires=1'),
    url.replace(/signature=./, 'signature=!'),
    `/v1/files/${file}?signature=`,
  ]
  for (const each of wrong) assert.equal((await call('GET', each, { bearer: null })).status, 403, each)
  assert.equal((await call('POST', `/v1/files/${file}:sign`, as(2))).status, 404)
  const shown = (await upload(1)).body.file_id
  const { thumb_url } = (await call('POST', `/v1/files/${shown}:sign`, as(1))).body
  assert.equal((await call('GET', thumb_url, { bearer: null })).status, 200)
})

test('an unknown file, and what is no file id, are told apart from nothing else', async () => {
  assert.equal(await see(1, 'a'.repeat(32)), 404)
  assert.equal((await call('GET', '/v1/files/x', as(1))).status, 400)
})

test('an upload that breaks leaves no bytes, and its reservation for the sweep', async () => {
  if (!rest.api.server.listening) await rest.api.listen({ host: '127.0.0.1', port: 0 })
  const { port } = rest.api.server.address() as { port: number }
  const { headers, body } = formWith(randomBytes(150_000))
  const before = names()
  const socket = connect(port, '127.0.0.1')
  const head = [
    'POST /v1/files HTTP/1.1',
    'host: x',
    `authorization: Bearer ${tokens.get(5)}`,
    `content-type: ${headers['content-type']}`,
    `content-length: ${body.length}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  socket.write(body.subarray(0, 100_000))
  await conditionHolds('the first half is on its way', () => names().length > before.length)
  socket.destroy()
  await conditionHolds('nothing is left of it', () => names().every((name) => !name.endsWith('.part')))
  const { rows } = await rest.pool.query('SELECT state FROM im_file WHERE user_id = 5')
  assert.deepEqual(rows, [{ state: 0 }])
})
