/** kill -9 on the workers of groups while groups are made and changed: each change is made once, and heard by all. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { allRoles } from '../../setup.js'
import type { Answer } from '../helpers/api.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const killed = ['groups', 'group-fanout']
const groupCount = 5
const changesOfEach = 12
const recovery_ms = 60_000

let system: System
let crowd: Crowd
before(async () => {
  const others = allRoles.filter((role) => !killed.includes(role))
  const env = { DATABASE_POOL: '2', DELIVERY_CHECK_DELAYS_MS: '1000,2000,4000' }
  system = await startSystem({ roles: [others, ...killed.map((role) => [role])], env })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

/** An app server's call with an Idempotency-Key, sent again until it is answered. */
async function insist(method: string, path: string, body: object): Promise<Answer> {
  const headers = { 'idempotency-key': randomUUID() }
  for (;;) {
    const answer = await system.api.call(method, path, body, { headers }).catch(() => undefined)
    if (answer !== undefined && answer.status !== 503) return answer
  }
}

test('killed again and again, the workers of groups make each change once and tell every member', async () => {
  const [owner, member] = [await crowd.newUser(), await crowd.newUser()]
  const device = await crowd.online(member)
  let changing = true
  const changes = Array.from({ length: groupCount }, async () => {
    const made = await insist('POST', '/v1/groups', {
      owner_id: String(owner.user_id),
      members: [String(member.user_id)],
      group_name: '0',
    })
    assert.equal(made.status, 201)
    for (let change = 1; change <= changesOfEach; change++) {
      const group_name = String(change)
      const answer = await insist('PATCH', `/v1/groups/${made.body.group_id}`, { group_name })
      assert.deepEqual([answer.status, answer.body.group_name], [200, group_name])
    }
    return Number(made.body.group_id)
  })
  const done = Promise.all(changes).finally(() => {
    changing = false
  })
  const kills = (async () => {
    let at = 0
    for (; changing && at < 6; at++) {
      const victim = system.processes.get(killed[at % killed.length]!)!
      await victim.kill('SIGKILL')
      await victim.restart()
    }
    return at
  })()
  const [ids, killCount] = await Promise.all([done, kills])
  assert.ok(killCount > 1, 'it was over before a second kill')

  const numbers = Array.from({ length: changesOfEach + 1 }, (_, at) => at + 1)
  for (const group_id of ids) {
    const rows = await rowsOf<{ msg_id: string }>(
      system.databaseUrl,
      'SELECT msg_id FROM im_message_group WHERE group_id = $1 ORDER BY msg_id',
      [group_id],
    )
    assert.deepEqual(
      rows.map(({ msg_id }) => Number(msg_id)),
      numbers,
    )
    await conditionHolds(
      'the member has heard of every change',
      () => {
        const heard = device.journal.filter(
          ({ kind, to_session_id }) => kind === 'received' && to_session_id === group_id,
        )
        return new Set(heard.map(({ server_msg_id }) => server_msg_id)).size === numbers.length
      },
      recovery_ms,
    )
  }
  const groups = await rowsOf<{ count: string }>(system.databaseUrl, 'SELECT count(*) FROM im_group', [])
  assert.equal(Number(groups[0]?.count), groupCount)
})
