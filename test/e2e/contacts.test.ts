/** Contacts over the wire, on two gateways (spec 1, 0x0601 … 0x0615). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type System, startSystem } from '../helpers/system.js'

const { kCIM_ERR_BAD_REQUEST, kCIM_ERR_FORBIDDEN, kCIM_ERR_NOT_FOUND } = CIM.Def.CIMErrorCode
const {
  kCIM_CONTACT_STATE_ASKED: asked,
  kCIM_CONTACT_STATE_FRIEND: friend,
  kCIM_CONTACT_STATE_NONE: none,
  kCIM_CONTACT_STATE_REQUESTED: requested,
} = CIM.Friend.CIMContactState
const { kCIM_RES_CODE_NOT_FRIEND, kCIM_RES_CODE_OK, kCIM_RES_CODE_IN_BLACK } = CIM.Def.CIMResCode

let system: System
let crowd: Crowd
before(async () => {
  system = await startSystem({ gateways: 2, env: { STRANGER_POLICY: 'friends' } })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

interface Person {
  readonly user_id: number
  readonly device: Device
}

/** Two users, each on a gateway of their own. */
async function two(): Promise<readonly [Person, Person]> {
  const { ada, bo, adas, bos } = await crowd.pair({}, { gateway: system.gateways[1]! })
  return [
    { user_id: ada.user_id, device: adas },
    { user_id: bo.user_id, device: bos },
  ]
}

const pair = (one: Person, other: Person) => ({ user_id: one.user_id, peer_id: other.user_id })

/** Who did it, and what the list of `of` says about whom now. */
async function told(of: Person) {
  const { body } = await of.device.next('CONTACT_CHANGED_NOTIFY')
  return [body.user_id, body.contact.user_id, body.contact.state]
}

const apply = (one: Person, other: Person) =>
  one.device.ask('FRIEND_APPLY_REQ', { ...pair(one, other), greeting: 'hello' }, 'FRIEND_APPLY_RSP')
const answer = (one: Person, other: Person, accept: boolean) =>
  one.device.ask('FRIEND_ANSWER_REQ', { ...pair(one, other), accept }, 'FRIEND_ANSWER_RSP')
const block = (one: Person, other: Person, blocked: boolean) =>
  one.device.ask('BLOCK_REQ', { ...pair(one, other), blocked }, 'BLOCK_RSP')
const listOf = ({ device, user_id }: Person, version = 0) =>
  device.ask('CONTACT_LIST_REQ', { user_id, version }, 'CONTACT_LIST_RSP')

let messages = 0
/** The res_code of a message. */
const send = async (one: Person, other: Person) => {
  const text = {
    from_user_id: one.user_id,
    to_session_id: other.user_id,
    msg_id: `contacts-${messages++}`,
    create_time: Date.now(),
    session_type: CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE,
    msg_type: CIM.Def.CIMMsgType.kCIM_MSG_TYPE_TEXT,
    msg_data: Buffer.from('hello'),
  }
  return (await one.device.ask('MSG_DATA', text, 'MSG_DATA_ACK')).res_code
}

test('a request is seen on both gateways, accepted, and opens the way for messages', async () => {
  const [ada, bo] = await two()
  assert.equal(await send(ada, bo), kCIM_RES_CODE_NOT_FRIEND)
  const { result_code, contact } = await apply(ada, bo)
  assert.deepEqual([result_code, contact?.state], [0, requested])
  assert.deepEqual(await told(ada), [ada.user_id, bo.user_id, requested])
  assert.deepEqual(await told(bo), [ada.user_id, ada.user_id, asked])
  const { contact_list } = await listOf(bo)
  assert.deepEqual(
    contact_list.map(({ user_id, greeting, user_info }) => [user_id, greeting, user_info?.user_id]),
    [[ada.user_id, 'hello', ada.user_id]],
  )
  assert.equal((await answer(bo, ada, true)).contact?.state, friend)
  assert.deepEqual(await told(ada), [bo.user_id, bo.user_id, friend])
  assert.equal(await send(ada, bo), kCIM_RES_CODE_OK)
})

test('friends have remarks and are in the user list; deleted ones are not, and the other is told', async () => {
  const [ada, bo] = await two()
  await apply(ada, bo)
  await answer(bo, ada, true)
  const { version } = await listOf(ada)
  const named = { ...pair(ada, bo), remark: 'tea' }
  assert.equal((await ada.device.ask('FRIEND_REMARK_REQ', named, 'FRIEND_REMARK_RSP')).contact?.remark, 'tea')
  const news = await listOf(ada, version)
  assert.deepEqual([news.contact_list.map(({ remark }) => remark), news.has_more], [['tea'], false])
  const usersOf = async ({ device, user_id }: Person) =>
    (await device.ask('USER_LIST_REQ', { user_id }, 'USER_LIST_RSP')).user_info_list.map(
      (each) => each.user_id,
    )
  assert.deepEqual(await usersOf(ada), [bo.user_id])
  const deleted = await bo.device.ask('FRIEND_DELETE_REQ', pair(bo, ada), 'FRIEND_DELETE_RSP')
  assert.deepEqual([deleted.result_code, deleted.contact?.state], [0, none])
  assert.deepEqual(await usersOf(ada), [])
  assert.equal(await send(ada, bo), kCIM_RES_CODE_NOT_FRIEND)
})

test('who is blocked learns it from the ack only, may not ask again, and may write once unblocked', async () => {
  const [ada, bo] = await two()
  await apply(ada, bo)
  await answer(bo, ada, true)
  assert.equal((await block(ada, bo, true)).contact?.blocked, true)
  assert.equal(await send(bo, ada), kCIM_RES_CODE_IN_BLACK)
  assert.equal(await send(ada, bo), kCIM_RES_CODE_OK)
  await bo.device.ask('FRIEND_DELETE_REQ', pair(bo, ada), 'FRIEND_DELETE_RSP')
  assert.equal((await apply(bo, ada)).result_code, kCIM_ERR_FORBIDDEN)
  assert.equal((await block(ada, bo, false)).contact?.blocked, false)
  assert.equal((await apply(bo, ada)).result_code, 0)
})

test('what cannot be is refused with its code', async () => {
  const [ada, bo] = await two()
  assert.equal((await answer(ada, bo, true)).result_code, kCIM_ERR_NOT_FOUND)
  assert.equal((await apply(ada, ada)).result_code, kCIM_ERR_BAD_REQUEST)
  assert.equal((await apply(ada, { ...bo, user_id: 2 ** 47 })).result_code, kCIM_ERR_NOT_FOUND)
})
