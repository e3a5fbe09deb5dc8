/** What members pull of a group, read in it and see of its receipts, over the wire and two gateways (spec 2, "Pulling"). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const { CIMClientType, CIMErrorCode } = CIM.Def
const session_type = CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_GROUP

let system: System
let crowd: Crowd
before(async () => {
  system = await startSystem({
    gateways: 2,
    env: { RATE_LIMIT_PACKETS: '1000', ACK_FLUSH_CRON: '*/1 * * * * *' },
  })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

interface Person extends User {
  readonly device: Device
}

async function person(gateway: 0 | 1): Promise<Person> {
  const user = await crowd.newUser()
  return { ...user, device: await crowd.online(user, { gateway: system.gateways[gateway]! }) }
}

async function groupOf(owner: Person, members: readonly User[]): Promise<number> {
  const { user_id } = owner
  const member_id_list = members.map((each) => each.user_id)
  const asked = { user_id, group_name: 'a group', member_id_list }
  return (await owner.device.ask('GROUP_CREATE_REQ', asked, 'GROUP_CREATE_RSP')).group_info!.group_id
}

const sessionOf = async ({ user_id, device }: Person, group: number) => {
  const asked = { user_id, latest_update_time: 0 }
  const list = await device.ask('RECENT_CONTACT_SESSION_REQ', asked, 'RECENT_CONTACT_SESSION_RSP')
  return list.contact_session_list.find(({ session_id }) => session_id === group)
}

async function historyOf({ user_id, device }: Person, group: number): Promise<number[]> {
  const asked = { user_id, session_type, session_id: group, end_msg_id: 0, limit_count: 100 }
  const { msg_list } = await device.ask('MSG_LIST_REQ', asked, 'MSG_LIST_RSP')
  return msg_list.map(({ server_msg_id }) => server_msg_id)
}

/** The code of the ERROR_NOTIFY that answers this. */
async function refusal({ user_id, device }: Person, group: number): Promise<number> {
  const seq = device.put('GET_LATEST_MSG_ID_REQ', { user_id, session_type, session_id: group })
  return (await device.next('ERROR_NOTIFY', { match: ({ seq_num }) => seq_num === seq })).body.result_code
}

async function receiptsOf({ user_id, device }: Person, msg_id: string) {
  const found = await device.ask('GET_RECEIPTS_REQ', { user_id, msg_id }, 'GET_RECEIPTS_RSP')
  return [found.read_user_id, found.received_user_id, found.waiting_user_id]
}

test('a member reads what their membership covers, a stranger nothing', async () => {
  const [ada, bo, cy, di] = [await person(0), await person(1), await person(1), await person(0)]
  const group = await groupOf(ada, [bo])
  await ada.device.say(group, 'two')
  const invite = { user_id: ada.user_id, group_id: group, member_id_list: [cy.user_id] }
  await ada.device.ask('GROUP_INVITE_MEMBER_REQ', invite, 'GROUP_INVITE_MEMBER_RSP')
  await bo.device.say(group, 'four')
  const leaving = { user_id: bo.user_id, group_id: group }
  await bo.device.ask('GROUP_EXIT_REQ', leaving, 'GROUP_EXIT_RSP')
  await ada.device.say(group, 'six')

  assert.deepEqual(await historyOf(ada, group), [1, 2, 3, 4, 5, 6])
  assert.deepEqual(await historyOf(bo, group), [1, 2, 3, 4])
  assert.deepEqual(await historyOf(cy, group), [3, 4, 5, 6])
  assert.equal(await refusal(di, group), CIMErrorCode.kCIM_ERR_FORBIDDEN)
  assert.equal((await sessionOf(bo, group))?.server_msg_id, 4)
})

test('unread counts per member, and a read is told to the reader’s other devices only', async () => {
  const [ada, bo, cy] = [await person(0), await person(1), await person(0)]
  const group = await groupOf(ada, [bo, cy])
  for (const text of ['one', 'two', 'three']) await ada.device.say(group, text)
  const unread = async (of: Person) => (await sessionOf(of, group))?.unread_cnt
  for (const each of [bo, cy])
    await conditionHolds('all three are counted', async () => (await unread(each)) === 3)

  const web = await crowd.online(bo, { client_type: CIMClientType.kCIM_CLIENT_TYPE_WEB })
  const asked = { user_id: bo.user_id, session_id: group, msg_id: '', session_type, server_msg_id: 3 }
  bo.device.put('MSG_READ_ACK', { ...asked, msg_id: 'the number decides' })
  const { body } = await web.next('MSG_READ_NOTIFY')
  assert.deepEqual(
    [body.user_id, body.session_id, body.session_type, body.server_msg_id],
    [bo.user_id, group, session_type, 3],
  )
  assert.deepEqual([await unread(bo), await unread(cy), await unread(ada)], [1, 3, 0])
  await ada.device.settle()
  const told = [ada, bo, cy].flatMap(({ device }) =>
    device.inbox.filter(({ name }) => name === 'MSG_READ_NOTIFY'),
  )
  assert.deepEqual(told, [])
})

test('the sender sees who has read, who has received and who is waiting', async () => {
  const [ada, bo, cy, away] = [await person(0), await person(1), await person(0), await crowd.newUser()]
  const group = await groupOf(ada, [bo, cy, away])
  const msg_id = ada.device.send(group, 'hello')
  const { server_msg_id } = await ada.device.acked(msg_id)
  const read = { user_id: cy.user_id, session_id: group, msg_id, session_type, server_msg_id: server_msg_id! }
  await cy.device.received(msg_id)
  cy.device.put('MSG_READ_ACK', read)
  const expected = JSON.stringify([[cy.user_id], [bo.user_id], [away.user_id]])
  await conditionHolds(
    'each is in their list',
    async () => JSON.stringify(await receiptsOf(ada, msg_id)) === expected,
  )
  bo.device.put('GET_RECEIPTS_REQ', { user_id: bo.user_id, msg_id })
  assert.equal((await bo.device.next('ERROR_NOTIFY')).body.result_code, CIMErrorCode.kCIM_ERR_NOT_FOUND)
})

test('who was away catches up with one sync over groups and pairs, and it agrees with history', async () => {
  const [ada, bo, away] = [await person(0), await person(1), await crowd.newUser()]
  const groups = [await groupOf(ada, [bo, away]), await groupOf(bo, [ada, away])]
  const said = Array.from({ length: 60 }, (_, at) =>
    (at % 2 ? ada : bo).device.send(at % 3 ? groups[at % 2]! : away.user_id, `message ${at}`),
  )
  for (const [at, msg_id] of said.entries())
    assert.equal((await (at % 2 ? ada : bo).device.acked(msg_id)).res_code, 0)

  const back: Person = { ...away, device: await crowd.online(away) }
  const synced = new Map<string, number[]>()
  let cursor = 0
  const catchUp = async () => {
    for (;;) {
      const asked = { user_id: away.user_id, cursor, limit_count: 7 }
      const page = await back.device.ask('SYNC_REQ', asked, 'SYNC_RSP')
      for (const { from_user_id, to_session_id, server_msg_id } of page.msg_list) {
        const session = to_session_id === away.user_id ? from_user_id : to_session_id
        synced.set(`${session}`, [...(synced.get(`${session}`) ?? []), server_msg_id])
      }
      cursor = page.next_cursor
      if (!page.has_more) return [...synced.values()].flat().length
    }
  }
  // 60 messages and the creation of both groups; the last may still be fanned out.
  await conditionHolds('all has come', async () => (await catchUp()) >= 62)
  for (const group of groups) assert.deepEqual(synced.get(`${group}`), await historyOf(back, group))
  for (const { user_id } of [ada, bo])
    assert.deepEqual(
      synced.get(`${user_id}`),
      Array.from({ length: 10 }, (_, at) => at + 1),
    )
})
