/** Sessions, history, single messages and reads over the wire (spec 2, "Pulling", "Read and unread"). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Redis } from 'ioredis'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const { CIMClientType, CIMErrorCode, CIMMessageFeature, CIMMessageStatus } = CIM.Def
const single = CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE

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

const sessionsOf = (device: Device, user_id: number, more: object = {}) =>
  device.ask(
    'RECENT_CONTACT_SESSION_REQ',
    { user_id, latest_update_time: 0, ...more },
    'RECENT_CONTACT_SESSION_RSP',
  )

const historyOf = async (
  device: Device,
  user_id: number,
  session_id: number,
  end_msg_id = 0,
  limit_count = 0,
) =>
  (
    await device.ask(
      'MSG_LIST_REQ',
      { user_id, session_type: single, session_id, end_msg_id, limit_count },
      'MSG_LIST_RSP',
    )
  ).msg_list

const unreadOf = async (device: Device, user_id: number): Promise<number> =>
  (await sessionsOf(device, user_id)).unread_counts

/** Says `count` things one after the other; resolves with the msg_ids in order. */
async function talk(device: Device, to: number, count: number): Promise<string[]> {
  const sent = Array.from({ length: count }, (_, at) => device.send(to, `message ${at + 1}`))
  for (const msg_id of sent) assert.equal((await device.acked(msg_id)).res_code, 0)
  return sent
}

const readUpTo = (device: Device, user_id: number, session_id: number, msg_id: string) =>
  device.put('MSG_READ_ACK', { user_id, session_id, msg_id, session_type: single })

test('the session list has each conversation with its last message and unread count, newest first', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const carol = await crowd.newUser()
  const carols = await crowd.online(carol)
  const [, last] = await talk(adas, bo.user_id, 2)
  await talk(carols, bo.user_id, 1)
  const { unread_counts, contact_session_list, server_time } = await sessionsOf(bos, bo.user_id)
  assert.equal(unread_counts, 3)
  assert.ok(Math.abs(server_time! - Date.now() / 1_000) < 10)
  const byPeer = new Map(contact_session_list.map((session) => [session.session_id, session]))
  assert.deepEqual([...byPeer.keys()].toSorted(), [ada.user_id, carol.user_id])
  const adasSession = byPeer.get(ada.user_id)!
  assert.deepEqual(
    [adasSession.unread_cnt, adasSession.msg_id, adasSession.server_msg_id, adasSession.msg_from_user_id],
    [2, last, 2, ada.user_id],
  )
  assert.equal(Buffer.from(adasSession.msg_data!).toString(), 'message 2')
  assert.equal(adasSession.msg_status, CIMMessageStatus.kCIM_MESSAGE_STATUS_UNREAD)
  assert.equal(byPeer.get(carol.user_id)?.unread_cnt, 1)

  const own = await sessionsOf(adas, ada.user_id)
  assert.deepEqual(
    [own.unread_counts, own.contact_session_list[0]?.session_id, own.contact_session_list[0]?.msg_status],
    [0, bo.user_id, CIMMessageStatus.kCIM_MESSAGE_STATUS_SENT],
  )
})

test('pages of the session list together are the whole list', async () => {
  const ada = await crowd.newUser()
  const adas = await crowd.online(ada)
  const peers = await Promise.all(Array.from({ length: 5 }, () => crowd.newUser()))
  for (const peer of peers) await adas.say(peer.user_id, 'hi')
  const seen: number[] = []
  let before: object = {}
  for (let more = true; more; ) {
    const page = await sessionsOf(adas, ada.user_id, { limit_count: 2, ...before })
    const last = page.contact_session_list.at(-1)!
    seen.push(...page.contact_session_list.map(({ session_id }) => session_id))
    before = { before_update_time: last.updated_time, before_session_id: last.session_id }
    more = page.has_more ?? false
  }
  assert.equal(seen.length, 5)
  assert.deepEqual(new Set(seen), new Set(peers.map(({ user_id }) => user_id)))
})

test('history comes in rising order, page by page from the newest, without a gap or a repeat', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const sent = await talk(adas, bo.user_id, 45)
  const pages: number[][] = []
  for (let end = 0; ; ) {
    const page = await historyOf(bos, bo.user_id, ada.user_id, end)
    pages.push(page.map(({ server_msg_id }) => server_msg_id))
    if (page.length < 20) break
    end = page[0]!.server_msg_id
  }
  assert.deepEqual(
    pages.map(({ length }) => length),
    [20, 20, 5],
  )
  assert.deepEqual(
    pages.toReversed().flat(),
    sent.map((_, at) => at + 1),
  )

  const [first] = await historyOf(adas, ada.user_id, bo.user_id, 2, 1)
  assert.deepEqual(
    [first?.client_msg_id, first?.from_user_id, first?.to_session_id, first?.sender_client_type],
    [sent[0], ada.user_id, bo.user_id, CIMClientType.kCIM_CLIENT_TYPE_IOS],
  )
  assert.deepEqual(
    [first?.msg_status, first?.msg_feature, first?.msg_res_code],
    [CIMMessageStatus.kCIM_MESSAGE_STATUS_SENT, CIMMessageFeature.kCIM_MESSAGE_FEATURE_ROAM_MSG, 0],
  )
  await assert.rejects(historyOf(bos, bo.user_id, ada.user_id, 0, 101), {
    result_code: CIMErrorCode.kCIM_ERR_BAD_REQUEST,
  })
})

test('a conversation in which nothing was said is empty, and nobody reads that of others', async () => {
  const { ada, bo, adas } = await crowd.pair()
  const carol = await crowd.newUser()
  const carols = await crowd.online(carol)
  await talk(adas, bo.user_id, 1)
  assert.deepEqual(await historyOf(carols, carol.user_id, ada.user_id), [])
  await assert.rejects(historyOf(carols, ada.user_id, bo.user_id), {
    result_code: CIMErrorCode.kCIM_ERR_FORBIDDEN,
  })
})

test('the latest id and messages by id are found from either side', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const sent = await talk(adas, bo.user_id, 3)
  await bos.say(ada.user_id, 'the same name', { msg_id: sent[0]! })
  const asked = { user_id: bo.user_id, session_type: single, session_id: ada.user_id }
  const latest = await bos.ask('GET_LATEST_MSG_ID_REQ', asked, 'GET_LATEST_MSG_ID_RSP')
  assert.deepEqual([latest.latest_msg_id, latest.server_msg_id], [sent[0], 4])
  const found = await adas.ask(
    'GET_MSG_BY_ID_REQ',
    { user_id: ada.user_id, session_type: single, session_id: bo.user_id, msg_id_list: [sent[0]!, 'none'] },
    'GET_MSG_BY_ID_RSP',
  )
  assert.deepEqual(
    found.msg_list.map(({ server_msg_id, from_user_id }) => [server_msg_id, from_user_id]),
    [
      [1, ada.user_id],
      [4, bo.user_id],
    ],
  )
  const stranger = await crowd.newUser()
  const nothing = await adas.ask(
    'GET_LATEST_MSG_ID_REQ',
    { user_id: ada.user_id, session_type: single, session_id: stranger.user_id },
    'GET_LATEST_MSG_ID_RSP',
  )
  assert.equal(nothing.latest_msg_id, '')
})

test("a read drops the unread count and tells the peer and the reader's other devices", async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const bosWeb = await crowd.online(bo, { over: 'ws', client_type: CIMClientType.kCIM_CLIENT_TYPE_WEB })
  const sent = await talk(adas, bo.user_id, 3)
  readUpTo(bos, bo.user_id, ada.user_id, sent[1]!)
  const toAda = (await adas.next('MSG_READ_NOTIFY')).body
  assert.deepEqual(
    [toAda.user_id, toAda.session_id, toAda.msg_id, toAda.server_msg_id],
    [bo.user_id, bo.user_id, sent[1], 2],
  )
  const toWeb = (await bosWeb.next('MSG_READ_NOTIFY')).body
  assert.deepEqual(
    [toWeb.user_id, toWeb.session_id, toWeb.msg_id, toWeb.server_msg_id],
    [bo.user_id, ada.user_id, sent[1], 2],
  )
  assert.equal(await unreadOf(bos, bo.user_id), 1)
  const statuses = (await historyOf(adas, ada.user_id, bo.user_id)).map(({ msg_status }) => msg_status)
  const { kCIM_MESSAGE_STATUS_RECEIPT: receipt, kCIM_MESSAGE_STATUS_SENT: unread } = CIMMessageStatus
  assert.deepEqual(statuses, [receipt, receipt, unread])
})

test('a read never moves back, and an unknown msg_id reads nothing', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const sent = await talk(adas, bo.user_id, 3)
  readUpTo(bos, bo.user_id, ada.user_id, sent[1]!)
  await adas.next('MSG_READ_NOTIFY')
  readUpTo(bos, bo.user_id, ada.user_id, sent[0]!)
  readUpTo(bos, bo.user_id, ada.user_id, 'unknown')
  readUpTo(bos, bo.user_id, ada.user_id, sent[2]!)
  assert.equal((await adas.next('MSG_READ_NOTIFY')).body.msg_id, sent[2])
  assert.equal(await unreadOf(bos, bo.user_id), 0)
})

test('replying reads nothing', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  await talk(adas, bo.user_id, 2)
  await bos.say(ada.user_id, 'an answer')
  assert.equal(await unreadOf(bos, bo.user_id), 2)
  assert.equal(await unreadOf(adas, ada.user_id), 1)
})

test('unread counts and live delivery survive the loss of everything in Redis', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const sent = await talk(adas, bo.user_id, 5)
  readUpTo(bos, bo.user_id, ada.user_id, sent[1]!)
  await adas.next('MSG_READ_NOTIFY')
  const redis = new Redis(system.redisUrl)
  // what FLUSHALL does to this system: other tests keep theirs in the same Redis
  await redis.del(...(await redis.keys(`${system.prefix}*`)))
  redis.disconnect()
  await conditionHolds('the counts are answered', () =>
    unreadOf(bos, bo.user_id).then(
      (unread) => unread === 3,
      () => false,
    ),
  )
  await conditionHolds('a message is delivered live', async () => {
    const msg_id = adas.send(bo.user_id, 'are you there?')
    if ((await adas.acked(msg_id)).res_code !== 0) return false
    return bos.received(msg_id, 500).then(
      () => true,
      () => false,
    )
  })
})
