/** A message from one user to another through the whole system (spec 2, "Single chat"). */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd, type Transport } from '../helpers/crowd.js'
import { randomNumbers } from '../helpers/random.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, startSystem } from '../helpers/system.js'

const { CIMClientType, CIMMessageFeature, CIMMsgType, CIMResCode, CIMSessionType } = CIM.Def
const largestUserId = 2 ** 48 - 1

let system: System
let crowd: Crowd
before(async () => {
  system = await startSystem({ env: { RATE_LIMIT_PACKETS: '1000' } })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

const transports: [Transport, Transport][] = [
  ['tcp', 'tcp'],
  ['tcp', 'ws'],
  ['ws', 'tcp'],
]
for (const [mine, theirs] of transports)
  test(`a message and its answer are acked and delivered, ${mine} to ${theirs} and back`, async () => {
    const { ada, bo, adas, bos } = await crowd.pair({ over: mine }, { over: theirs })
    const begun = Date.now()
    const msg_id = adas.send(bo.user_id, 'hello')
    const ack = await adas.acked(msg_id)
    assert.deepEqual(
      [ack.res_code, ack.from_user_id, ack.to_session_id, ack.session_type, ack.server_msg_id],
      [CIMResCode.kCIM_RES_CODE_OK, ada.user_id, bo.user_id, CIMSessionType.kCIM_SESSION_TYPE_SINGLE, 1],
    )
    assert.ok(ack.create_time! >= begun - 1_000 && ack.create_time! <= Date.now() + 1_000)

    const message = await bos.received(msg_id)
    assert.equal(Buffer.from(message.msg_data).toString(), 'hello')
    assert.deepEqual(
      [message.from_user_id, message.to_session_id, message.server_msg_id, message.create_time],
      [ada.user_id, bo.user_id, 1, ack.create_time],
    )
    assert.deepEqual(
      [message.session_type, message.msg_type, message.msg_feature ?? 0, message.from_nick_name],
      [CIMSessionType.kCIM_SESSION_TYPE_SINGLE, CIMMsgType.kCIM_MSG_TYPE_TEXT, 0, null],
    )

    const answer = bos.send(ada.user_id, 'and to you')
    assert.equal((await bos.acked(answer)).server_msg_id, 2)
    assert.equal((await adas.received(answer)).server_msg_id, 2)
  })

const contents: [string, Uint8Array, number][] = [
  ['text in several scripts with emoji', Buffer.from('Grüße 你好 שלום नमस्ते ☕ 👩‍👩‍👧‍👦 🇨🇳 e\u0301'), 1],
  [
    '32 KiB of bytes of every value',
    Buffer.from(numbers(32_768).map((at) => at & 255)),
    CIMMsgType.kCIM_MSG_TYPE_CUSTOM,
  ],
  ['nothing at all', Buffer.alloc(0), CIMMsgType.kCIM_MSG_TYPE_CUSTOM],
  ['what is not of its format', Buffer.from('{"url": '), CIMMsgType.kCIM_MSG_TYPE_IMAGE],
]
for (const [what, content, msg_type] of contents)
  test(`${what} arrives as it was sent, live and in history`, async () => {
    const { ada, bo, adas, bos } = await crowd.pair()
    const msg_id = adas.send(bo.user_id, content, { msg_type, attach: 'an attachment' })
    assert.equal((await adas.acked(msg_id)).res_code, CIMResCode.kCIM_RES_CODE_OK)
    const message = await bos.received(msg_id)
    assert.ok(Buffer.from(content).equals(message.msg_data))
    assert.deepEqual([message.msg_type, message.attach], [msg_type, 'an attachment'])
    const page = { user_id: bo.user_id, session_type: 1, session_id: ada.user_id }
    const { msg_list } = await bos.ask(
      'MSG_LIST_REQ',
      { ...page, end_msg_id: 0, limit_count: 0 },
      'MSG_LIST_RSP',
    )
    assert.equal(msg_list.length, 1)
    assert.ok(Buffer.from(content).equals(msg_list[0]!.msg_data!))
    assert.deepEqual([msg_list[0]!.msg_type, msg_list[0]!.attach], [msg_type, 'an attachment'])
  })

test('the largest user ids chat as others do', async () => {
  const [last, beforeLast] = [await crowd.newUser(largestUserId), await crowd.newUser(largestUserId - 1)]
  const [one, other] = [await crowd.online(last), await crowd.online(beforeLast, { over: 'ws' })]
  const msg_id = one.send(beforeLast.user_id, 'from the end of the numbers', { msg_id: 'x'.repeat(64) })
  assert.equal((await one.acked(msg_id)).server_msg_id, 1)
  assert.equal((await other.received(msg_id)).from_user_id, largestUserId)
  assert.equal(await other.say(largestUserId, 'and back'), 2)
})

test('what is acked lies in PostgreSQL already', async () => {
  const { ada, bo, adas } = await crowd.pair()
  for (const round of numbers(5)) {
    const msg_id = adas.send(bo.user_id, `message ${round}`)
    await adas.acked(msg_id)
    const rows = await rowsOf<{ n: string }>(
      system.databaseUrl,
      `SELECT s.msg_id AS n FROM im_message_send s
         JOIN im_message_recv r ON r.client_msg_id = s.client_msg_id AND r.msg_from = s.from_id
        WHERE s.from_id = $1 AND s.client_msg_id = $2 AND r.msg_to = $3 AND r.msg_id = s.msg_id`,
      [ada.user_id, msg_id, bo.user_id],
    )
    assert.deepEqual(
      rows.map(({ n }) => Number(n)),
      [round],
    )
  }
})

test('200 messages at once are numbered in the order of their sending and arrive in it', async () => {
  const { bo, adas, bos } = await crowd.pair()
  const sent = numbers(200).map((at) => adas.send(bo.user_id, `message ${at}`))
  await Promise.all(sent.map((msg_id) => adas.acked(msg_id, 20_000)))
  await Promise.all(sent.map((msg_id) => bos.received(msg_id, 20_000)))
  const given = new Map(
    adas.journal.filter(({ kind }) => kind === 'acked').map((entry) => [entry.msg_id, entry.server_msg_id]),
  )
  assert.deepEqual(
    sent.map((msg_id) => given.get(msg_id)),
    numbers(200),
  )
  const shown = bos.journal.filter(({ kind }) => kind === 'received').map((entry) => entry.server_msg_id)
  assert.deepEqual(shown, numbers(200))
})

test('two users who talk at once share one sequence without a hole', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const given = await Promise.all([
    ...numbers(30).map(() => adas.say(bo.user_id, 'from Ada')),
    ...numbers(30).map(() => bos.say(ada.user_id, 'from Bo')),
  ])
  assert.deepEqual(
    given.toSorted((a, b) => a - b),
    numbers(60),
  )
})

test("every device of the receiver and the sender's others get it, each once, the latter as SYNC_MSG", async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const adasWeb = await crowd.online(ada, { over: 'ws', client_type: CIMClientType.kCIM_CLIENT_TYPE_WEB })
  const bosWeb = await crowd.online(bo, { over: 'ws', client_type: CIMClientType.kCIM_CLIENT_TYPE_WEB })
  const msg_id = adas.send(bo.user_id, 'to everybody')
  await adas.acked(msg_id)
  const features = await Promise.all(
    [bos, bosWeb, adasWeb].map(async (device) => (await device.received(msg_id)).msg_feature ?? 0),
  )
  assert.deepEqual(features, [
    CIMMessageFeature.kCIM_MESSAGE_FEATURE_DEFAULT,
    CIMMessageFeature.kCIM_MESSAGE_FEATURE_DEFAULT,
    CIMMessageFeature.kCIM_MESSAGE_FEATURE_SYNC_MSG,
  ])
  await adas.settle()
  assert.ok(!adas.journal.some(({ kind }) => kind === 'received'), 'the device that sent got no copy')
})

test("a message to oneself reaches the user's other devices and is never unread", async () => {
  const ada = await crowd.newUser()
  const phone = await crowd.online(ada)
  const web = await crowd.online(ada, { client_type: CIMClientType.kCIM_CLIENT_TYPE_WEB })
  const msg_id = phone.send(ada.user_id, 'a note')
  assert.equal((await phone.acked(msg_id)).server_msg_id, 1)
  assert.equal((await web.received(msg_id)).server_msg_id, 1)
  const sessions = await web.ask(
    'RECENT_CONTACT_SESSION_REQ',
    { user_id: ada.user_id, latest_update_time: 0 },
    'RECENT_CONTACT_SESSION_RSP',
  )
  assert.equal(sessions.unread_counts, 0)
  assert.deepEqual(
    sessions.contact_session_list.map(({ session_id, unread_cnt }) => [session_id, unread_cnt]),
    [[ada.user_id, 0]],
  )
})

test('a message to an unknown user is refused, stores nothing, and is judged anew once the user is there', async () => {
  const ada = await crowd.newUser()
  const device = await crowd.online(ada)
  const unknown = 777_777
  const msg_id = device.send(unknown, 'is anybody there?')
  assert.equal((await device.acked(msg_id)).res_code, CIMResCode.kCIM_RES_CODE_USER_NOT_EXIST)
  const stored = await rowsOf(system.databaseUrl, 'SELECT FROM im_message_send WHERE from_id = $1', [
    ada.user_id,
  ])
  assert.equal(stored.length, 0)
  await crowd.newUser(unknown)
  device.send(unknown, 'is anybody there?', { msg_id })
  assert.deepEqual(
    await device.acked(msg_id).then(({ res_code, server_msg_id }) => [res_code, server_msg_id]),
    [CIMResCode.kCIM_RES_CODE_OK, 1],
  )
})

test('a msg_id that is sent again is acked with the first result and stored once', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const msg_id = adas.send(bo.user_id, 'once')
  const first = await adas.acked(msg_id)
  assert.equal(await adas.say(bo.user_id, 'in between'), 2)
  adas.send(bo.user_id, 'once', { msg_id })
  const second = await adas.acked(msg_id)
  assert.deepEqual([second.res_code, second.server_msg_id, second.create_time], [0, 1, first.create_time])
  assert.equal(await adas.say(bo.user_id, 'after'), 3)
  await bos.received(msg_id)
  const rows = await rowsOf(system.databaseUrl, 'SELECT FROM im_message_send WHERE from_id = $1', [
    ada.user_id,
  ])
  assert.equal(rows.length, 3)
})

test('the same msg_id with other content, type or receiver is an ERROR that changes nothing', async () => {
  const { ada, bo, adas } = await crowd.pair()
  const carol = await crowd.newUser()
  const msg_id = adas.send(bo.user_id, 'the first')
  assert.equal((await adas.acked(msg_id)).res_code, CIMResCode.kCIM_RES_CODE_OK)
  adas.send(bo.user_id, 'another', { msg_id })
  assert.equal((await adas.acked(msg_id)).res_code, CIMResCode.kCIM_RES_CODE_ERROR)
  adas.send(bo.user_id, 'the first', { msg_id, msg_type: CIMMsgType.kCIM_MSG_TYPE_TIPS })
  assert.equal((await adas.acked(msg_id)).res_code, CIMResCode.kCIM_RES_CODE_ERROR)
  adas.send(carol.user_id, 'the first', { msg_id })
  assert.equal((await adas.acked(msg_id)).res_code, CIMResCode.kCIM_RES_CODE_ERROR)
  const rows = await rowsOf<{ msg_content: Buffer }>(
    system.databaseUrl,
    'SELECT msg_content FROM im_message_send WHERE from_id = $1',
    [ada.user_id],
  )
  assert.deepEqual(
    rows.map(({ msg_content }) => msg_content.toString()),
    ['the first'],
  )
})

test('of two messages with one msg_id to two receivers at once exactly one is stored', async () => {
  const { ada, bo, adas } = await crowd.pair()
  const carol = await crowd.newUser()
  const web = await crowd.online(ada, { over: 'ws', client_type: CIMClientType.kCIM_CLIENT_TYPE_WEB })
  const next = randomNumbers(3)
  for (const round of numbers(10)) {
    const msg_id = randomUUID()
    const [one, other] = next(2) === 0 ? [adas, web] : [web, adas]
    one.send(bo.user_id, `round ${round}`, { msg_id })
    other.send(carol.user_id, `round ${round}`, { msg_id })
    const codes = await Promise.all([one.acked(msg_id), other.acked(msg_id)])
    assert.deepEqual(codes.map(({ res_code }) => res_code).toSorted(), [0, 1])
    const rows = await rowsOf(
      system.databaseUrl,
      'SELECT FROM im_message_send WHERE from_id = $1 AND client_msg_id = $2',
      [ada.user_id, msg_id],
    )
    assert.equal(rows.length, 1)
  }
})

test('who was offline finds the message unread at the next login, and its history', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  const adas = await crowd.online(ada)
  await adas.say(bo.user_id, 'see you later')
  const bos = await crowd.online(bo)
  const { unread_counts } = await bos.ask(
    'RECENT_CONTACT_SESSION_REQ',
    { user_id: bo.user_id, latest_update_time: 0 },
    'RECENT_CONTACT_SESSION_RSP',
  )
  assert.equal(unread_counts, 1)
})
