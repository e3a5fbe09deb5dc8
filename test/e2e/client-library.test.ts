/** The client library against the whole system, over TCP and WebSocket. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  ChatError,
  type ChatMessage,
  ClientType,
  fileOf,
  MessageStatus,
  MsgType,
  ResCode,
  textOf,
} from '../../client/index.js'
import { type ClientCrowd, createClients } from '../helpers/clients.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

let system: System
let clients: ClientCrowd
before(async () => {
  system = await startSystem()
  clients = createClients(system)
})
after(async () => {
  clients?.leave()
  await system?.stop()
})

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1)
const answerWithin_ms = 10_000

for (const over of ['tcp', 'ws'] as const)
  test(`over ${over}: a message is stored, shown at both ends once, and answered`, async () => {
    const [ada, bo] = [await clients.newClient({ over }), await clients.newClient({ over })]
    const stored = await ada.client.send(bo.client.user_id, 'hello ☕')
    assert.equal(stored.server_msg_id, 1)
    const shown = await bo.shows('hello ☕')
    assert.deepEqual(
      [shown.session_id, shown.from_user_id, shown.server_msg_id, shown.msg_id, shown.create_time],
      [ada.client.user_id, ada.client.user_id, 1, stored.msg_id, stored.create_time],
    )
    assert.equal((await bo.client.send(ada.client.user_id, 'and to you')).server_msg_id, 2)
    await ada.shows('and to you')
    assert.deepEqual(ada.texts(bo.client.user_id), ['hello ☕', 'and to you'])
    assert.deepEqual(bo.texts(ada.client.user_id), ['hello ☕', 'and to you'])
    assert.equal(ada.client.profile()?.user_id, ada.client.user_id)
  })

test('sessions count what is unread; a read is told to the peer and to other devices', async () => {
  const [ada, bo] = [await clients.newClient(), await clients.newClient()]
  const phone = clients.clientOf(bo.client.user_id, bo.token, { client_type: ClientType.IOS, over: 'ws' })
  const synced = phone.synced()
  await phone.client.connect()
  await synced
  for (const text of ['one', 'two', 'three']) await ada.client.send(bo.client.user_id, text)
  const third = await bo.shows('three')
  await phone.shows('three')
  const unread = (told: typeof bo) => told.client.sessions().map((each) => [each.session_id, each.unread])
  assert.deepEqual(unread(bo), [[ada.client.user_id, 3]])

  const told = new Promise<number | undefined>((resolve) => {
    ada.client.on('read', ({ server_msg_id }) => resolve(server_msg_id))
  })
  bo.client.markRead(third)
  assert.equal(await told, 3)
  assert.deepEqual(unread(bo), [[ada.client.user_id, 0]])
  await until('the phone knows', () => phone.client.sessions()[0]?.unread === 0, answerWithin_ms)
  const history = await ada.client.history(bo.client.user_id)
  assert.deepEqual(
    history.map(({ server_msg_id }) => server_msg_id),
    [1, 2, 3],
  )
  assert.equal(history[2]?.msg_status, MessageStatus.RECEIPT)
  assert.deepEqual((await ada.client.receipts(third.msg_id)).read_user_id, [bo.client.user_id])
})

test('a group is made, spoken in, joined and left', async () => {
  const [ada, bo, cy] = [await clients.newClient(), await clients.newClient(), await clients.newClient()]
  const changes: number[] = []
  cy.client.on('group', ({ changed_list }) => void changes.push(...changed_list.map(({ type }) => type)))
  const { group_id } = await ada.client.groups.create([bo.client.user_id], 'Coffee')
  await ada.client.send(group_id, 'welcome')
  await bo.shows('welcome')
  await ada.client.groups.invite(group_id, [cy.client.user_id])
  await bo.client.send(group_id, 'hello cy')
  await cy.shows('hello cy')
  assert.ok(!cy.texts(group_id).includes('welcome'), 'who joins sees nothing from before')
  assert.deepEqual((await cy.client.groups.info([group_id]))[0]?.group_name, 'Coffee')
  assert.equal((await cy.client.groups.members(group_id)).members.length, 3)
  await cy.client.groups.leave(group_id)
  assert.deepEqual(await cy.client.groups.list(), [])
  await until('came and went', () => changes.join() === '1,2', answerWithin_ms)
  await assert.rejects(cy.client.send(group_id, 'still here?'), (error: ChatError) => {
    assert.equal(error.result_code, ResCode.NOT_GROUP_MEMBER)
    return error.failure === 'refused'
  })
  await assert.rejects(cy.client.groups.disband(group_id), ChatError)
})

test('what was missed is pulled at the next login, from where the snapshot ends', async () => {
  const [ada, bo] = [await clients.newClient(), await clients.newClient()]
  await ada.client.send(bo.client.user_id, 'before')
  await bo.shows('before')
  bo.client.disconnect()
  for (const text of ['a', 'b', 'c']) await ada.client.send(bo.client.user_id, text)
  const late = bo.client.send(ada.client.user_id, 'written offline')
  await bo.client.connect()
  await bo.shows('c')
  assert.equal((await late).server_msg_id, 5)
  assert.deepEqual(bo.texts(ada.client.user_id), ['before', 'a', 'b', 'c', 'written offline'])

  const again = clients.clientOf(bo.client.user_id, bo.token, { resume: bo.client.snapshot() })
  bo.client.close()
  await ada.client.send(bo.client.user_id, 'after')
  await again.client.connect()
  await again.shows('after')
  assert.deepEqual(again.texts(ada.client.user_id), ['after'])
  const fresh = clients.clientOf(bo.client.user_id, bo.token, { client_type: ClientType.IOS })
  await fresh.client.connect()
  await fresh.shows('after')
  assert.deepEqual(fresh.texts(ada.client.user_id), ['before', 'a', 'b', 'c', 'written offline', 'after'])
})

test('messages faster than the server takes them are all stored, in order', async () => {
  const [ada, bo] = [await clients.newClient(), await clients.newClient()]
  const texts = numbers(150).map((number) => `m${number}`)
  const stored = await Promise.all(texts.map((text) => ada.client.send(bo.client.user_id, text)))
  assert.deepEqual(
    stored.map(({ server_msg_id }) => server_msg_id),
    numbers(150),
  )
  await bo.shows('m150')
  assert.deepEqual(bo.texts(ada.client.user_id), texts)
})

test('refusals come back as errors with their code', async () => {
  const ada = await clients.newClient()
  const code = (result_code: number) => (error: unknown) =>
    error instanceof ChatError && error.result_code === result_code
  await assert.rejects(ada.client.send(999_999, 'anybody?'), code(ResCode.USER_NOT_EXIST))
  await assert.rejects(ada.client.send(1, 'x', { msg_type: MsgType.NOTIFICATION }), code(ResCode.ERROR))
  await assert.rejects(ada.client.send(1, 'x', { msg_id: 'x'.repeat(65) }), /BAD_REQUEST/)
  await assert.rejects(ada.client.history(999_999, { limit: 1_000 }), /BAD_REQUEST/)
})

test('a wrong token is told and not tried again', async () => {
  const { client, states } = clients.clientOf(1, 'no token')
  await assert.rejects(client.connect(), /LOGIN_INVALID_USER_TOKEN/)
  assert.deepEqual(states, ['connecting', 'closed'])
})

test('a token may be fetched when it is needed', async () => {
  const ada = await clients.newClient()
  let asked = 0
  const fetched = async () => {
    asked++
    return ada.token
  }
  const options = { client_type: ClientType.IOS, token: fetched }
  await clients.clientOf(ada.client.user_id, '', options).client.connect()
  assert.equal(asked, 1)
})

test('a second login of the same kind closes the first for good', async () => {
  const ada = await clients.newClient()
  const second = clients.clientOf(ada.client.user_id, ada.token)
  await second.client.connect()
  await until('kicked', () => ada.client.state().name === 'closed', answerWithin_ms)
  const state = ada.client.state()
  assert.ok(state.name === 'closed' && state.ending.why === 'kicked')
  assert.equal(second.client.state().name, 'online')
})

test('a logout is answered and closes', async () => {
  const ada = await clients.newClient()
  await ada.client.logout()
  const { body } = await system.api.get(`/v1/users/${ada.client.user_id}/devices`)
  assert.deepEqual(body.devices, [])
  assert.equal(ada.client.state().name, 'closed')
  await assert.rejects(ada.client.history(1), ChatError)
})

test('a file is uploaded, sent, and opened by who reads the message, and by nobody else', async () => {
  const [ada, bo, cy] = [await clients.newClient(), await clients.newClient(), await clients.newClient()]
  const arrives = new Promise<ChatMessage>((resolve) => bo.client.on('message', resolve))
  const told: number[] = []
  const stored = await ada.client.sendFile(bo.client.user_id, new Blob(['beans']), {
    ...{ name: 'notes.txt', msg_id: 'with notes' },
    onProgress: (sent, total) => void told.push(sent / total),
  })
  const message = await arrives
  assert.deepEqual([stored.msg_id, message.msg_id, told.at(-1)], ['with notes', 'with notes', 1])
  assert.equal(message.msg_type, MsgType.FILE)
  const file = fileOf(message)
  assert.deepEqual([file?.name, file?.size], ['notes.txt', 5])
  const { url, expires } = await bo.client.files.sign(file!)
  assert.equal(await (await fetch(url)).text(), 'beans')
  assert.ok(expires > Date.now())
  const code = (expected: string) => (error: unknown) => error instanceof ChatError && error.code === expected
  await assert.rejects(cy.client.files.sign(file!), code('FILE_NOT_FOUND'))
  await assert.rejects(ada.client.files.upload(new Blob([])), code('BAD_REQUEST'))
})

test('the same msg_id again stores nothing twice', async () => {
  const [ada, bo] = [await clients.newClient(), await clients.newClient()]
  const first = await ada.client.send(bo.client.user_id, 'once', { msg_id: 'order-7' })
  const again = await ada.client.send(bo.client.user_id, 'once', { msg_id: 'order-7' })
  assert.equal(again.server_msg_id, first.server_msg_id)
  await assert.rejects(ada.client.send(bo.client.user_id, 'other', { msg_id: 'order-7' }), /ERROR/)
  await bo.shows('once')
  assert.equal(bo.messages.filter((each) => textOf(each) === 'once').length, 1)
})
