/** Kafka is away while clients report: each gets a true answer in time, and nothing that was acked is lost. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import type { ReportSubmittedJson } from '../../schemas/business-events.js'
import { topics } from '../../schemas/topics.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { openPartLink, type PartLink } from '../helpers/part-link.js'
import { stack } from '../helpers/stack.js'
import { type System, startSystem } from '../helpers/system.js'
import { readTopic, type TopicReader } from '../helpers/topic.js'
import { until } from '../helpers/until.js'
import { conditionHolds } from '../helpers/wait.js'

const { kCIM_ERR_SERVER_BUSY } = CIM.Def.CIMErrorCode
const answerWithin_ms = 11_000
const recovery_ms = 40_000

let link: PartLink
let system: System
let crowd: Crowd
let reports: TopicReader<ReportSubmittedJson>

before(async () => {
  link = await openPartLink(Number(new URL(`kafka://${stack().kafka}`).port), { rewriteAddress: true })
  system = await startSystem({
    roles: [['gateway', 'presence', 'login', 'users']],
    kafka: link.address,
    env: { RATE_LIMIT_PACKETS: '10000' },
  })
  crowd = createCrowd(system)
  reports = await readTopic(system, topics.reportSubmitted)
})
after(async () => {
  crowd?.leave()
  await reports?.close()
  await link?.heal()
  await system?.stop()
  await link?.close()
})

/** True where it was acked, false where it was SERVER_BUSY; anything else, and what is late, fails the test. */
async function isAcked(device: Device, { user_id }: User, report_id: string): Promise<boolean> {
  const begun = performance.now()
  const report = { user_id, report_id, report_type: 'x', create_time: 1, payload: Buffer.from('x') }
  const acked = await device.ask('REPORT_REQ', report, 'REPORT_RSP').then(
    () => true,
    ({ result_code }) => {
      assert.equal(result_code, kCIM_ERR_SERVER_BUSY)
      return false
    },
  )
  assert.ok(performance.now() - begun <= answerWithin_ms, 'the answer was late')
  return acked
}

for (const manner of ['refused', 'frozen'] as const)
  test(`Kafka ${manner}: every report that was acked is on the topic`, async () => {
    const ada = await crowd.newUser()
    const device = await crowd.online(ada)
    const acked: string[] = []
    const report = async (report_id: string) => {
      const isThere = await isAcked(device, ada, report_id)
      if (isThere) acked.push(report_id)
      return isThere
    }
    const some = (count: number) => Promise.all(Array.from({ length: count }, () => report(randomUUID())))
    const before = some(50)
    await link.fail(manner)
    await Promise.all([before, some(20)])
    await link.heal()
    const last = randomUUID()
    await until('a report is acked again', () => report(last), recovery_ms)
    assert.ok(acked.length > 0)
    const missing = () => {
      const there = new Set(reports.events.map(({ report_id }) => report_id))
      return acked.filter((report_id) => !there.has(report_id))
    }
    await conditionHolds('everything acked is there', () => missing().length === 0, recovery_ms)
    // It was there before, so it is told apart.
    await until('its repeat is acked', () => isAcked(device, ada, last), recovery_ms)
    const marks = () =>
      reports.events.filter(({ report_id }) => report_id === last).map((each) => each.repeated)
    await conditionHolds('the repeat', () => marks().at(-1) === true)
  })
