/** Settings of a session over the wire, on two devices (spec 2, "Session settings"). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createPool } from '../../infra/postgres/pool.js'
import { CIM } from '../../proto/index.js'
import type { WritableBodyOf } from '../../schemas/packets.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { silentLog } from '../helpers/log.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const { CIMClientType, CIMErrorCode } = CIM.Def
const session_type = CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE
const { kCIM_SESSION_STATUS_OK: listed, kCIM_SESSION_STATUS_DELETE: deleted } = CIM.Def.CIMSessionStatusType

let system: System
let crowd: Crowd
let pool: pg.Pool
before(async () => {
  system = await startSystem({ gateways: 2 })
  crowd = createCrowd(system)
  pool = createPool(system.databaseUrl, 2, silentLog)
})
after(async () => {
  crowd?.leave()
  await pool?.end()
  await system?.stop()
})

type Change = Partial<WritableBodyOf<'SESSION_UPDATE_REQ'>>

const change = (device: Device, user_id: number, session_id: number, settings: Change) =>
  device.ask('SESSION_UPDATE_REQ', { user_id, session_type, session_id, ...settings }, 'SESSION_UPDATE_RSP')

async function sessionWith(device: Device, user_id: number, peer: number) {
  const asked = { user_id, latest_update_time: 0 }
  const { contact_session_list } = await device.ask(
    'RECENT_CONTACT_SESSION_REQ',
    asked,
    'RECENT_CONTACT_SESSION_RSP',
  )
  return contact_session_list.find(({ session_id }) => session_id === peer)
}

test('what one device sets, the other one at another gateway is told, and the list has; the next message undoes a delete', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const [, far] = system.gateways
  assert.ok(far)
  const web = await crowd.online(bo, { gateway: far, client_type: CIMClientType.kCIM_CLIENT_TYPE_WEB })
  await adas.say(bo.user_id, 'hello')

  const set = { is_pinned: true, is_muted: true, draft: 'dear Ada', extend_data: '{}' }
  const { result_code, settings } = await change(bos, bo.user_id, ada.user_id, set)
  assert.equal(result_code, CIMErrorCode.kCIM_ERR_SUCCSSE)
  assert.deepEqual({ ...settings, ...set, session_status: listed }, { ...settings })
  const { body } = await web.next('SESSION_UPDATE_NOTIFY')
  assert.deepEqual([body.user_id, body.session_id, body.settings], [bo.user_id, ada.user_id, settings])
  const shown = await sessionWith(web, bo.user_id, ada.user_id)
  assert.deepEqual([shown?.is_pinned, shown?.is_muted, shown?.draft], [true, true, 'dear Ada'])

  await change(web, bo.user_id, ada.user_id, { session_status: deleted })
  assert.equal((await bos.next('SESSION_UPDATE_NOTIFY')).body.settings?.session_status, deleted)
  assert.equal((await sessionWith(bos, bo.user_id, ada.user_id))?.session_status, deleted)
  await adas.say(bo.user_id, 'hello again')
  const back = await sessionWith(bos, bo.user_id, ada.user_id)
  assert.deepEqual([back?.session_status, back?.unread_cnt, back?.is_pinned], [listed, 2, true])
})

test('a muted session triggers no push, another one does', async () => {
  const { ada, bo, adas, bos } = await crowd.pair({}, { client_type: CIMClientType.kCIM_CLIENT_TYPE_IOS })
  const { user: carol, device: carols } = await newcomer()
  const phone = { client_type: CIMClientType.kCIM_CLIENT_TYPE_IOS, provider: 'log', token: 'phone of Bo' }
  const { status } = await system.api.call('PUT', `/v1/users/${bo.user_id}/push-tokens`, phone)
  assert.equal(status, 200)
  for (const device of [adas, carols]) await device.say(bo.user_id, 'hello')
  await change(bos, bo.user_id, ada.user_id, { is_muted: true })
  bos.cut()
  await conditionHolds('Bo is offline', async () => {
    const { body } = await system.api.call('GET', `/v1/users/${bo.user_id}/devices`)
    return body.devices.length === 0
  })
  const asked = [adas, carols].map((device) => device.send(bo.user_id, 'are you there?'))
  const ledger = async () =>
    (
      await pool.query<{ from_id: number; state: string }>({
        text: 'SELECT from_id, state FROM im_push_ledger WHERE client_msg_id = ANY ($1) ORDER BY from_id',
        values: [asked],
      })
    ).rows
  await conditionHolds('both are settled', async () => {
    const rows = await ledger()
    return rows.length === 2 && rows.every(({ state }) => state !== 'pending')
  })
  assert.deepEqual(
    (await ledger()).map(({ from_id, state }) => [from_id, state]),
    [
      [ada.user_id, 'suppressed'],
      [carol.user_id, 'sent'],
    ],
  )
})

async function newcomer() {
  const user = await crowd.newUser()
  return { user, device: await crowd.online(user) }
}

test('what names no setting, a wrong session, or too much is refused', async () => {
  const { ada, bo, bos } = await crowd.pair()
  const refused = async (settings: Change, code: CIM.Def.CIMErrorCode) => {
    bos.put('SESSION_UPDATE_REQ', {
      user_id: bo.user_id,
      session_type,
      session_id: ada.user_id,
      ...settings,
    })
    const { body } = await bos.next('ERROR_NOTIFY')
    assert.equal(body.result_code, code)
  }
  await refused({}, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
  await refused({ is_pinned: true, session_id: 2 ** 48 }, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
  await refused({ draft: 'x'.repeat(4_097) }, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
  await refused({ is_pinned: true, user_id: ada.user_id }, CIMErrorCode.kCIM_ERR_FORBIDDEN)
  const { result_code } = await change(bos, bo.user_id, ada.user_id, { is_pinned: true })
  assert.equal(result_code, CIMErrorCode.kCIM_ERR_NOT_FOUND)
})
