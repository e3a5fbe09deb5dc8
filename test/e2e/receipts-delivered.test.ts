/** receipt.changed tells businesses of first deliveries too, none left out when the tracker dies. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { roleNames } from '../../infra/local/roles.js'
import type { ReceiptChangedJson } from '../../schemas/business-events.js'
import { topics } from '../../schemas/topics.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { type System, startSystem } from '../helpers/system.js'
import { readTopic, type TopicReader } from '../helpers/topic.js'
import { conditionHolds } from '../helpers/wait.js'

let system: System
let crowd: Crowd
let receipts: TopicReader<ReceiptChangedJson>
before(async () => {
  system = await startSystem({
    roles: [roleNames.filter((role) => role !== 'ack-tracker'), ['ack-tracker']],
    env: { ACK_FLUSH_CRON: '*/2 * * * * *' },
  })
  crowd = createCrowd(system)
  receipts = await readTopic(system, topics.receiptChanged)
})
after(async () => {
  crowd?.leave()
  await receipts?.close()
  await system?.stop()
})

const told = (conversation: string, state: ReceiptChangedJson['state']) =>
  receipts.events.filter((each) => each.conversation === conversation && each.state === state)

test('a message that a device has acked is told as delivered to its reader; then as read', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const conversation = `c:${ada.user_id}:${bo.user_id}`
  const msg_id = adas.send(bo.user_id, 'hello')
  await bos.received(msg_id)
  await conditionHolds('delivered', () => told(conversation, 'delivered').length > 0)
  const [{ time, ...receipt }] = told(conversation, 'delivered') as [ReceiptChangedJson]
  assert.deepEqual(receipt, {
    conversation,
    reader_user_id: String(bo.user_id),
    server_msg_id: '1',
    state: 'delivered',
    client_type: 2,
  })
  assert.ok(Math.abs(Date.now() - time) < 60_000)
  bos.put('MSG_READ_ACK', { user_id: bo.user_id, session_type: 1, session_id: ada.user_id, msg_id })
  await conditionHolds('read', () => told(conversation, 'read').length > 0)
})

test('killed with -9 again and again, the tracker leaves no delivery out', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const conversation = `c:${ada.user_id}:${bo.user_id}`
  const tracker = system.processes.get('ack-tracker')!
  const count = 60
  for (let n = 0; n < count; n++) {
    const msg_id = adas.send(bo.user_id, `${n}`)
    await bos.received(msg_id)
    if (n % 25 !== 20) continue
    await tracker.kill('SIGKILL')
    await tracker.restart()
  }
  const numbers = () => [
    ...new Set(told(conversation, 'delivered').map(({ server_msg_id }) => Number(server_msg_id))),
  ]
  await conditionHolds('all are told', () => numbers().length === count, 60_000)
  assert.deepEqual(
    numbers(),
    Array.from({ length: count }, (_, at) => at + 1),
  )
})
