/** c2s: what a client reports to the business, over the wire and over HTTP (spec 3, report.submitted). */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import type { ReportSubmittedJson } from '../../schemas/business-events.js'
import type { WritableBodyOf } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type System, startSystem } from '../helpers/system.js'
import { readTopic, type TopicReader } from '../helpers/topic.js'
import { conditionHolds } from '../helpers/wait.js'

const { CIMErrorCode } = CIM.Def

let system: System
let crowd: Crowd
let reports: TopicReader<ReportSubmittedJson>

before(async () => {
  system = await startSystem({
    roles: [['gateway', 'presence', 'login', 'users']],
    env: { RATE_LIMIT_PACKETS: '10' },
  })
  crowd = createCrowd(system)
  reports = await readTopic(system, topics.reportSubmitted)
})
after(async () => {
  crowd?.leave()
  await reports?.close()
  await system?.stop()
})

type Report = WritableBodyOf<'REPORT_REQ'>

const reportOf = ({ user_id }: User, more: Partial<Report> = {}): Report => ({
  user_id,
  report_id: randomUUID(),
  report_type: 'location',
  create_time: 1_700_000_000_123,
  payload: Buffer.from('{"lat": 52.5}'),
  ...more,
})

const tell = (device: Device, report: Report) => device.ask('REPORT_REQ', report, 'REPORT_RSP')

const published = async (report_id: string, count = 1): Promise<readonly ReportSubmittedJson[]> => {
  const those = () => reports.events.filter((each) => each.report_id === report_id)
  await conditionHolds(`${count} of ${report_id}`, () => those().length >= count)
  return those()
}

test('a report is answered once the bus has it, with all that the business needs', async () => {
  const ada = await crowd.newUser()
  const device = await crowd.online(ada, { client_type: 1 })
  const report = reportOf(ada)
  const { user_id, report_id, result_code } = await tell(device, report)
  assert.deepEqual([user_id, report_id, result_code], [ada.user_id, report.report_id, 0])
  const [event] = await published(report.report_id)
  const { received_time, ...said } = event!
  assert.deepEqual(said, {
    report_id: report.report_id,
    report_type: 'location',
    user_id: String(ada.user_id),
    client_type: 1,
    gate_id: system.gateways[0]!.gate_id,
    create_time: 1_700_000_000_123,
    payload: Buffer.from('{"lat": 52.5}').toString('base64'),
  })
  assert.ok(Math.abs(Date.now() - received_time) < 60_000)
})

test("a user's reports are published in the order in which they were sent", async () => {
  const ada = await crowd.newUser()
  const device = await crowd.online(ada)
  const sent = Array.from({ length: 15 }, () => reportOf(ada))
  await Promise.all(sent.map((report) => tell(device, report)))
  await published(sent.at(-1)!.report_id)
  const own = reports.events.filter(({ user_id }) => user_id === String(ada.user_id))
  assert.deepEqual(
    own.map(({ report_id }) => report_id),
    sent.map(({ report_id }) => report_id),
  )
})

test('a report_id that is sent twice is marked, also at the same moment, and only for its own user', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const report = reportOf(ada)
  await tell(adas, report)
  await tell(adas, report)
  await tell(bos, { ...report, user_id: bo.user_id })
  const marks = (await published(report.report_id, 3)).map(({ user_id, repeated }) => [user_id, repeated])
  assert.deepEqual(
    new Set(marks.map((mark) => mark.join())),
    new Set([`${ada.user_id},`, `${ada.user_id},true`, `${bo.user_id},`]),
  )
  const twin = reportOf(ada)
  await Promise.all([tell(adas, twin), tell(adas, twin)])
  assert.deepEqual(
    (await published(twin.report_id, 2)).map(({ repeated }) => repeated),
    [undefined, true],
  )
})

const refusals: [string, Partial<Report>, CIM.Def.CIMErrorCode][] = [
  ['of another user', { user_id: 7 }, CIMErrorCode.kCIM_ERR_FORBIDDEN],
  ['of 32,769 bytes', { payload: Buffer.alloc(32_769) }, CIMErrorCode.kCIM_ERR_BAD_REQUEST],
  ['with a type of 65 bytes', { report_type: 'x'.repeat(65) }, CIMErrorCode.kCIM_ERR_BAD_REQUEST],
  ['without an id', { report_id: '' }, CIMErrorCode.kCIM_ERR_BAD_REQUEST],
  ['with an id of 65 characters', { report_id: 'x'.repeat(65) }, CIMErrorCode.kCIM_ERR_BAD_REQUEST],
]
for (const [what, more, result_code] of refusals)
  test(`a report ${what} is refused with ${CIMErrorCode[result_code]}`, async () => {
    const ada = await crowd.newUser()
    const device = await crowd.online(ada)
    const report = reportOf(ada, more)
    await assert.rejects(tell(device, report), { result_code })
    assert.ok(!reports.events.some(({ report_id }) => report_id === report.report_id))
  })

test('a report of 32,768 bytes passes', async () => {
  const ada = await crowd.newUser()
  const report = reportOf(ada, { payload: Buffer.alloc(32_768, 7), report_type: 'x'.repeat(64) })
  assert.equal((await tell(await crowd.online(ada), report)).result_code, 0)
  const [event] = await published(report.report_id)
  assert.equal(Buffer.from(event!.payload, 'base64').length, 32_768)
})

test('reports beyond the rate of packets are refused, and the connection stays', async () => {
  const ada = await crowd.newUser()
  const device = await crowd.online(ada)
  const answers = await Promise.allSettled(Array.from({ length: 150 }, () => tell(device, reportOf(ada))))
  const refused = answers.filter((each) => each.status === 'rejected').map(({ reason }) => reason.result_code)
  assert.ok(refused.length >= 30, `${refused.length} were refused`)
  assert.deepEqual([...new Set(refused)], [CIMErrorCode.kCIM_ERR_RATE_LIMITED])
  await device.settle()
})

test('over HTTP a client reports for itself, and a repeat is marked', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  const { token } = ada
  const body = {
    report_id: randomUUID(),
    report_type: 'rating',
    payload: Buffer.from('5').toString('base64'),
  }
  const path = `/v1/users/${ada.user_id}/reports`
  const first = await system.api.post(path, body, { token })
  assert.deepEqual([first.status, first.body], [201, { report_id: body.report_id }])
  assert.equal((await system.api.post(path, body)).status, 200, 'an app server for the user')
  const events = await published(body.report_id, 2)
  assert.deepEqual(
    events.map(({ client_type, repeated }) => [client_type, repeated]),
    [
      [4, undefined],
      [4, true],
    ],
  )
  assert.equal((await system.api.post(`/v1/users/${bo.user_id}/reports`, body, { token })).status, 403)
  const refusedBodies: [object, number][] = [
    [{ payload: Buffer.alloc(32_769).toString('base64') }, 413],
    [{ payload: '*' }, 400],
    [{ report_type: 'x'.repeat(65) }, 400],
    [{ report_id: undefined }, 400],
  ]
  for (const [more, status] of refusedBodies)
    assert.equal((await system.api.post(path, { ...body, ...more }, { token })).status, status)
})

test('over HTTP a user who reports too much is told to wait', async () => {
  const ada = await crowd.newUser()
  const body = () => ({ report_id: randomUUID(), report_type: 'x', payload: '' })
  const path = `/v1/users/${ada.user_id}/reports`
  const answers = await Promise.all(Array.from({ length: 160 }, () => system.api.post(path, body())))
  const late = answers.filter(({ status }) => status === 429)
  assert.ok(late.length > 0)
  assert.equal(late[0]?.headers.get('retry-after'), '1')
})
