/** The org tree over the wire, on two gateways, and who may write to whom by it (spec 1, 0x0620 … 0x0623). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { orgLimits } from '../../schemas/org-operations.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, startSystem } from '../helpers/system.js'

const { kCIM_ERR_BAD_REQUEST, kCIM_ERR_FORBIDDEN, kCIM_ERR_NOT_FOUND } = CIM.Def.CIMErrorCode
const { kCIM_RES_CODE_NOT_FRIEND, kCIM_RES_CODE_OK } = CIM.Def.CIMResCode

let system: System
let crowd: Crowd
let ada: User
let bo: User
let cy: User
let adas: Device
let bos: Device
let cys: Device
before(async () => {
  system = await startSystem({ gateways: 2, env: { STRANGER_POLICY: 'organization' } })
  crowd = createCrowd(system)
  ;({ ada, bo, adas, bos } = await crowd.pair({}, { gateway: system.gateways[1]!, over: 'ws' }))
  cy = await crowd.newUser()
  cys = await crowd.online(cy)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

type Member = readonly [user_id: number, department_id: string, name?: string]

async function importTree(parents: Record<string, string>, members: readonly Member[], name = 'ACME') {
  const departments = [
    { department_id: 'root', name },
    ...Object.entries(parents).map(([department_id, parent_id]) => ({
      department_id,
      parent_id,
      name: department_id,
    })),
  ]
  return system.api.call('PUT', '/v1/org', {
    departments,
    members: members.map(([user_id, department_id, own]) => ({
      user_id: String(user_id),
      department_id,
      ...(own === undefined ? {} : { name: own }),
    })),
  })
}

const page = (device: Device, { user_id }: User, version: number, limit_count = 0) =>
  device.ask('ORG_LIST_REQ', { user_id, version, limit_count }, 'ORG_LIST_RSP')

/** Everything since a version, page by page, and how many pages that took. */
async function read(device: Device, user: User, from = 0, limit = 0) {
  const departments: CIM.Org.ICIMOrgDepartment[] = []
  const members: CIM.Org.ICIMOrgMember[] = []
  for (let version = from, pages = 1; ; pages++) {
    const answer = await page(device, user, version, limit)
    departments.push(...answer.department_list)
    members.push(...answer.member_list)
    version = answer.version
    if (!answer.has_more) return { departments, members, version, pages }
  }
}

const refusal = async (device: Device, name: 'ORG_LIST_REQ' | 'ORG_SEARCH_REQ', body: object) =>
  (await device.ask(name, body as never, 'ERROR_NOTIFY')).result_code

let messages = 0
const send = async (device: Device, from: User, to: User) => {
  const text = {
    from_user_id: from.user_id,
    to_session_id: to.user_id,
    msg_id: `org-${messages++}`,
    create_time: Date.now(),
    session_type: CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE,
    msg_type: CIM.Def.CIMMsgType.kCIM_MSG_TYPE_TEXT,
    msg_data: Buffer.from('hello'),
  }
  return (await device.ask('MSG_DATA', text, 'MSG_DATA_ACK')).res_code
}

test('before there is a tree nobody is in it, and nobody may write to anybody', async () => {
  assert.equal(await refusal(adas, 'ORG_LIST_REQ', { user_id: ada.user_id, version: 0 }), kCIM_ERR_FORBIDDEN)
  assert.equal(await send(adas, ada, bo), kCIM_RES_CODE_NOT_FRIEND)
})

test('a tree is read in pages on both gateways; the next version has only what changed', async () => {
  const made = await importTree({ dev: 'root', ops: 'root' }, [
    [ada.user_id, 'dev', 'Ada Łovelace'],
    [bo.user_id, 'ops', 'Bo'],
  ])
  assert.equal(made.status, 200, JSON.stringify(made.body))
  const whole = await read(adas, ada, 0, 2)
  assert.deepEqual([whole.pages, whole.version], [3, made.body.version])
  assert.deepEqual(
    whole.departments.map(({ department_id, parent_id, name }) => [department_id, parent_id, name]),
    [
      ['root', null, 'ACME'],
      ['dev', 'root', 'dev'],
      ['ops', 'root', 'ops'],
    ],
  )
  assert.deepEqual(await read(bos, bo), { ...whole, pages: 1 })
  assert.deepEqual((await read(bos, bo, whole.version)).departments, [])

  await importTree({ dev: 'root' }, [
    [ada.user_id, 'dev', 'Ada'],
    [bo.user_id, 'dev', 'Bo'],
  ])
  const news = await read(bos, bo, whole.version)
  assert.deepEqual(
    news.departments.map(({ department_id, removed, name }) => [department_id, removed, name]),
    [['ops', true, null]],
  )
  assert.deepEqual(
    news.members.map(({ user_id, department_id, removed, name }) => [user_id, department_id, removed, name]),
    [
      [bo.user_id, 'dev', false, 'Bo'],
      [ada.user_id, 'dev', false, 'Ada'],
      [bo.user_id, 'ops', true, null],
    ],
  )
})

test('people are found over the wire, and who is not in the tree finds nobody', async () => {
  const search = (given: object) =>
    adas.ask('ORG_SEARCH_REQ', { user_id: ada.user_id, ...given } as never, 'ORG_SEARCH_RSP')
  const { member_list, has_more } = await search({ query: 'bO' })
  assert.deepEqual(
    member_list.map(({ user_id, name, department_name }) => [user_id, name, department_name]),
    [[bo.user_id, 'Bo', 'dev']],
  )
  assert.equal(has_more, false)
  assert.equal((await search({ department_id: 'root', limit_count: 1 })).has_more, true)
  assert.deepEqual((await search({ query: 'nobody' })).member_list, [])
  const { user_id } = cy
  assert.equal(await refusal(cys, 'ORG_SEARCH_REQ', { user_id, query: 'bo' }), kCIM_ERR_FORBIDDEN)
})

test('what cannot be asked is refused with its code', async () => {
  const { user_id } = ada
  const future = { user_id, version: Number.MAX_SAFE_INTEGER }
  assert.equal(await refusal(adas, 'ORG_LIST_REQ', future), kCIM_ERR_NOT_FOUND)
  const asked = [
    ['ORG_LIST_REQ', { user_id, version: 0, limit_count: 501 }, kCIM_ERR_BAD_REQUEST],
    ['ORG_LIST_REQ', { user_id: bo.user_id, version: 0 }, kCIM_ERR_FORBIDDEN],
    ['ORG_SEARCH_REQ', { user_id }, kCIM_ERR_BAD_REQUEST],
    ['ORG_SEARCH_REQ', { user_id, query: '  ' }, kCIM_ERR_BAD_REQUEST],
    ['ORG_SEARCH_REQ', { user_id, query: 'x'.repeat(65) }, kCIM_ERR_BAD_REQUEST],
    ['ORG_SEARCH_REQ', { user_id, query: 'x', limit_count: 101 }, kCIM_ERR_BAD_REQUEST],
    ['ORG_SEARCH_REQ', { user_id: bo.user_id, query: 'x' }, kCIM_ERR_FORBIDDEN],
  ] as const
  for (const [name, body, code] of asked)
    assert.equal(await refusal(adas, name, body), code, JSON.stringify(body))
})

test('colleagues write to each other and are in each other’s user list, until one is taken out', async () => {
  const listed = async (device: Device, { user_id }: User) =>
    (await device.ask('USER_LIST_REQ', { user_id }, 'USER_LIST_RSP')).user_info_list.map(
      (each) => each.user_id,
    )
  assert.equal(await send(adas, ada, bo), kCIM_RES_CODE_OK)
  assert.equal(await send(adas, ada, cy), kCIM_RES_CODE_NOT_FRIEND)
  assert.equal(await send(cys, cy, ada), kCIM_RES_CODE_NOT_FRIEND)
  assert.deepEqual([await listed(adas, ada), await listed(cys, cy)], [[bo.user_id], []])
  await system.api.call('PUT', `/v1/users/${ada.user_id}/friends/${cy.user_id}`)
  assert.equal(await send(adas, ada, cy), kCIM_RES_CODE_NOT_FRIEND)
  await importTree({}, [
    [ada.user_id, 'root'],
    [cy.user_id, 'root'],
  ])
  assert.equal(await send(adas, ada, cy), kCIM_RES_CODE_OK)
  assert.equal(await send(bos, bo, ada), kCIM_RES_CODE_NOT_FRIEND)
  const { user_id } = bo
  assert.equal(await refusal(bos, 'ORG_LIST_REQ', { user_id, version: 1 }), kCIM_ERR_FORBIDDEN)
})

test('imports at the same moment, through both gateways, make versions and diffs of one story', async () => {
  const names = Array.from({ length: 10 }, (_, n) => `name ${n}`)
  const answers = await Promise.all(
    names.map((name, n) =>
      system.gateways[n % 2]!.api.call('PUT', '/v1/org', {
        departments: [{ department_id: 'root', name }],
        members: [{ user_id: String(ada.user_id), department_id: 'root', name: 'Ada' }],
      }),
    ),
  )
  const diffs = answers
    .map(({ status, body }) => {
      assert.equal(status, 200, JSON.stringify(body))
      return body
    })
    .sort((one, other) => one.version - other.version)
  const renames = diffs.map(({ departments }) => departments.renamed[0])
  for (const [at, { from }] of renames.entries()) if (at > 0) assert.equal(from, renames[at - 1].to)
  assert.deepEqual(renames.map(({ to }) => to).sort(), names)
  const { departments, version } = await read(adas, ada)
  assert.deepEqual([departments[0]?.name, version], [renames.at(-1).to, diffs.at(-1).version])
})

test('the largest tree goes through the bus, and is read in 500s; one member more is refused', async () => {
  const first = 1_000_001
  await rowsOf(
    system.databaseUrl,
    `INSERT INTO im_user (user_id, nick_name, created, updated)
     SELECT n, '山田 ' || n, 0, 0 FROM generate_series(${first}, ${first + orgLimits.members - 2}) n`,
  )
  const members = Array.from({ length: orgLimits.members - 1 }, (_, n) => [first + n, `d${n % 500}`] as const)
  const departments = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`d${n}`, 'root']))
  const made = await importTree(departments, [...members, [ada.user_id, 'root']])
  assert.equal(made.status, 200, JSON.stringify(made.body).slice(0, 500))
  assert.equal(made.body.members.added.length, orgLimits.members - 1)
  const whole = await read(adas, ada)
  assert.deepEqual(
    [whole.departments.length, whole.members.length, whole.pages],
    [501, orgLimits.members, 22],
  )
  const tooMany = await importTree(departments, [...members, [ada.user_id, 'root'], [bo.user_id, 'root']])
  assert.deepEqual([tooMany.status, tooMany.body.error.field], [400, 'members'])
})
