/** A message to a group through the whole system, over two gateways (spec 2, "Group chat"). */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createPool } from '../../infra/postgres/pool.js'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { insertGroup } from '../helpers/group-rows.js'
import { silentLog } from '../helpers/log.js'
import { type RunningGateway, type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const { CIMClientType, CIMMessageFeature, CIMResCode, CIMSessionType } = CIM.Def

let system: System
let crowd: Crowd
let pool: pg.Pool
let near: RunningGateway
let far: RunningGateway
before(async () => {
  system = await startSystem({
    gateways: 2,
    env: {
      RATE_LIMIT_PACKETS: '1000',
      DELIVERY_CHECK_DELAYS_MS: '2000,1500,2000',
      ACK_FLUSH_CRON: '*/1 * * * * *',
    },
  })
  crowd = createCrowd(system)
  pool = createPool(system.databaseUrl, 2, silentLog)
  ;[near, far] = system.gateways as [RunningGateway, RunningGateway]
})
after(async () => {
  crowd?.leave()
  await pool?.end()
  await system?.stop()
})

const idsOf = (users: readonly User[]) => users.map(({ user_id }) => user_id)

/** Three new users in a group of theirs: Ada at the near gateway, Bo at the far one, Cy away. */
async function company() {
  const [ada, bo, cy] = [await crowd.newUser(), await crowd.newUser(), await crowd.newUser()]
  const group = await insertGroup(pool, idsOf([ada, bo, cy]))
  const adas = await crowd.online(ada, { gateway: near })
  const bos = await crowd.online(bo, { gateway: far, over: 'ws' })
  return { ada, bo, cy, group, adas, bos }
}

/** The numbers of what a device was sent in a group, in the order in which it came. */
const shown = ({ journal }: Device, group: number) =>
  journal
    .filter(({ kind, to_session_id }) => kind === 'received' && to_session_id === group)
    .map(({ server_msg_id }) => server_msg_id)

test('a message reaches the members at both gateways and the sender’s other device, and waits for who is away', async () => {
  const { ada, bo, cy, group, adas, bos } = await company()
  const web = await crowd.online(ada, { gateway: far, client_type: CIMClientType.kCIM_CLIENT_TYPE_WEB })

  const msg_id = adas.send(group, 'hello all')
  const ack = await adas.acked(msg_id)
  assert.deepEqual(
    [ack.res_code, ack.to_session_id, ack.session_type, ack.server_msg_id],
    [CIMResCode.kCIM_RES_CODE_OK, group, CIMSessionType.kCIM_SESSION_TYPE_GROUP, 2],
  )
  for (const [device, feature] of [
    [bos, CIMMessageFeature.kCIM_MESSAGE_FEATURE_DEFAULT],
    [web, CIMMessageFeature.kCIM_MESSAGE_FEATURE_SYNC_MSG],
  ] as const) {
    const message = await device.received(msg_id)
    assert.equal(Buffer.from(message.msg_data).toString(), 'hello all')
    assert.deepEqual(
      [message.from_user_id, message.to_session_id, message.session_type, message.server_msg_id],
      [ada.user_id, group, CIMSessionType.kCIM_SESSION_TYPE_GROUP, 2],
    )
    assert.deepEqual([message.create_time, message.msg_feature ?? 0], [ack.create_time, feature])
  }

  const cys = await crowd.online(cy, { gateway: near })
  const late = await cys.received(msg_id)
  assert.equal(late.msg_feature, CIMMessageFeature.kCIM_MESSAGE_FEATURE_LEAVE_MSG)

  const copies = async () =>
    (
      await pool.query<{ msg_to: number; delivered: number; unread: number }>({
        text: `SELECT m.msg_to, m.delivered, s.unread FROM im_message_recv m
                 JOIN im_session s ON s.user_id = m.msg_to AND s.session_type = 2 AND s.peer_id = m.group_id
                WHERE m.group_id = $1 ORDER BY m.msg_to`,
        values: [group],
      })
    ).rows
  await conditionHolds('all copies are acked', async () =>
    (await copies()).every(({ delivered }) => delivered === 1),
  )
  assert.deepEqual(
    await copies(),
    [bo, cy].map(({ user_id }) => ({ msg_to: user_id, delivered: 1, unread: 1 })),
  )
})

test('what members say at once is numbered without a hole and arrives in order', async () => {
  const { group, adas, bos, cy } = await company()
  const cys = await crowd.online(cy, { gateway: near })
  const rounds = Array.from({ length: 40 }, (_, at) => at)
  const sent = rounds.flatMap((at) => [adas.send(group, `from Ada ${at}`), bos.send(group, `from Bo ${at}`)])
  await Promise.all(sent.map((msg_id) => cys.received(msg_id, 20_000)))
  assert.deepEqual(
    shown(cys, group),
    sent.map((_, at) => at + 2),
  )
  for (const device of [adas, bos])
    await conditionHolds('what the other one said has come', () => shown(device, group).length === 40)
})

test('who is no member, and a group that is not, are refused', async () => {
  const { group } = await company()
  const { adas, ada } = await crowd.pair()
  for (const [to, code] of [
    [group, CIMResCode.kCIM_RES_CODE_NOT_GROUP_MEMBER],
    [2 ** 52, CIMResCode.kCIM_RES_CODE_GROUP_NOT_EXIST],
  ] as const) {
    const ack = await adas.acked(adas.send(to, 'let me in'))
    assert.deepEqual([ack.res_code, ack.session_type], [code, CIMSessionType.kCIM_SESSION_TYPE_GROUP])
  }
  const body = { from_user_id: String(ada.user_id), msg_id: randomUUID(), msg_type: 1, text: 'let me in' }
  const { status } = await system.api.call('POST', '/v1/messages', { ...body, group_id: String(group) })
  assert.equal(status, 403)
})

test('an app server sends to a group as a member; the same again is answered with the first', async () => {
  const { bo, group, adas } = await company()
  const body = {
    from_user_id: String(bo.user_id),
    group_id: String(group),
    msg_id: randomUUID(),
    msg_type: 1,
    text: 'posted',
  }
  const first = await system.api.call('POST', '/v1/messages', body)
  assert.deepEqual([first.status, first.body.group_id, first.body.server_msg_id], [201, body.group_id, '2'])
  const again = await system.api.call('POST', '/v1/messages', body)
  assert.deepEqual([again.status, again.body], [200, first.body])
  assert.equal((await adas.received(body.msg_id)).server_msg_id, 2)
})
