/**
 * Whatever happens to a group around the limit of write diffusion, its oldest messages removed included, its members
 * see what a plain count says.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { createRetention } from '../../../infra/postgres/retention.js'
import { createSessionLists } from '../../../infra/postgres/sessions.js'
import { groupViews } from '../../helpers/group-views.js'
import { type LivingGroup, livingGroup } from '../../helpers/living-group.js'
import { populated } from '../../helpers/populated.js'
import { randomNumbers } from '../../helpers/random.js'

/** Members above which these groups are by reading. */
const limit = 3
const notification = 6

let pool: pg.Pool
let views: ReturnType<typeof groupViews>
let close: () => Promise<void>
before(async () => {
  ;({ pool, close } = await populated(1000))
  views = groupViews(pool)
})
after(() => close())

const numbers = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at)

/** What one user must see of a group, counted message by message. */
interface Member {
  joined: number
  left: number | undefined
  read: number
}

interface Model {
  readonly group: LivingGroup
  readonly members: Map<number, Member>
  readonly messages: { number: number; from: number; type: number }[]
  /** Stored, and not fanned out. */
  readonly waiting: number[]
}

const visible = ({ joined, left = Number.POSITIVE_INFINITY }: Member, { number }: { number: number }) =>
  joined <= number && number < left

async function check({ group, members, messages, waiting }: Model): Promise<void> {
  await group.fanOut(...waiting.splice(0))
  for (const [user, member] of members) {
    const seen = messages.filter((each) => visible(member, each))
    const expected = seen.filter(
      ({ number, from, type }) => from !== user && type !== notification && number > member.read,
    )
    assert.equal(await views.unread(user, group.group_id), expected.length, `unread of ${user}`)
    const all = seen.map(({ number }) => number)
    assert.deepEqual(await views.history(user, group.group_id), all)
    const listed = await views.listed(user, group.group_id)
    assert.equal(listed?.last ?? 0, all.at(-1) ?? 0, `last of ${user}`)
  }
}

/** One thing that happens to a group, at random. */
async function step(model: Model, users: readonly number[], random: (below: number) => number) {
  const { group, members, messages, waiting } = model
  const user = users[random(users.length)]!
  const owner = users[0]!
  const member = members.get(user)
  const isIn = member !== undefined && member.left === undefined
  const changed = (number: number) => messages.push({ number, from: owner, type: notification })
  switch (random(10)) {
    case 0:
      if (isIn) break
      {
        const number = await group.add(user)
        changed(number)
        members.set(user, { joined: number, left: undefined, read: Math.max(member?.read ?? 0, number - 1) })
      }
      break
    case 1:
      if (!isIn || user === owner) break
      member.left = await group.remove(user)
      changed(member.left)
      break
    case 2:
      await group.fanOut(...waiting.splice(0))
      break
    case 3:
      if (member === undefined) break
      await views.markRead(user, group.group_id, 1 + random(messages.length))
      member.read = await readPosition(user, group.group_id)
      break
    case 4:
      await views.listed(user, group.group_id)
      break
    case 6:
      // As after a restore.
      await pool.query('UPDATE im_conversation SET last_msg_id = last_msg_id + 50 WHERE conversation = $1', [
        `g:${group.group_id}`,
      ])
      break
    case 5:
      if (messages.length < 10) break
      await removeOldest(group.group_id, users, messages.splice(0, 1 + random(5)).at(-1)!.number)
      break
    default:
      if (!isIn) break
      {
        const { number } = await group.say(user, { unfanned: true })
        messages.push({ number, from: user, type: 1 })
        if (random(2) === 0) await group.fanOut(number)
        else waiting.push(number)
      }
  }
}

/** As by age, had each message the age of its number: in steps of a message or two. */
async function removeOldest(group: number, users: readonly number[], upto: number): Promise<void> {
  await pool.query('UPDATE im_message_group SET send_time = msg_id WHERE group_id = $1', [group])
  const retention = createRetention(pool, 6)
  while ((await retention.removeMessages(`g:${group}`, upto + 1)).more);
  await retention.removeEmptySpans(users)
}

const readPosition = async (user: number, group: number) =>
  (
    await pool.query<{ read_msg_id: number }>({
      text: 'SELECT read_msg_id FROM im_session WHERE user_id = $1 AND session_type = 2 AND peer_id = $2',
      values: [user, group],
    })
  ).rows[0]?.read_msg_id ?? 0

for (const seed of [1, 2, 3])
  test(`whatever happens around the limit, unread, lists, history and sync are those of a plain count (seed ${seed})`, async () => {
    const random = randomNumbers(seed)
    const users = numbers(100 * seed, 100 * seed + 5)
    const first = users.slice(0, 3)
    const group = await livingGroup(pool, first, limit)
    const model: Model = {
      group,
      members: new Map(first.map((user) => [user, { joined: 1, left: undefined, read: 0 }])),
      messages: [{ number: 1, from: users[0]!, type: notification }],
      waiting: [],
    }
    const synced = new Map(users.map((user) => [user, { seen: [] as number[], cursor: 0 }]))
    for (let at = 1; at <= 240; at++) {
      await step(model, users, random)
      if (at % 40 !== 0) continue
      await check(model)
      for (const [user, before] of synced) {
        const { seen, cursor } = await views.sync(user, group.group_id, before.cursor)
        synced.set(user, { seen: [...before.seen, ...seen], cursor })
      }
    }
    for (const [user, { seen }] of synced) {
      assert.deepEqual(
        seen,
        [...new Set(seen)].sort((a, b) => a - b),
        `${user} syncs in order, each once`,
      )
      const member = model.members.get(user)
      const all = model.messages.filter((each) => member && visible(member, each))
      const missed = all.map(({ number }) => number).filter((number) => !seen.includes(number))
      assert.deepEqual(missed, [], `${user} syncs everything`)
    }
    const { rows } = await pool.query<{ switches: number }>({
      text: 'SELECT count(*) AS switches FROM im_group_diffusion WHERE group_id = $1',
      values: [group.group_id],
    })
    assert.ok((rows[0]?.switches ?? 0) >= 4, 'the limit was crossed up and down')
  })

test('nobody waits in a circle, and all is counted, while members write, read, list, join and leave at once', async () => {
  const steady = numbers(900, 902)
  const guest = 903
  const groups = [await livingGroup(pool, steady, limit), await livingGroup(pool, steady.toReversed(), limit)]
  const random = randomNumbers(11)
  const some = <Item>(items: readonly Item[]) => items[random(items.length)]!
  const times = async (count: number, work: () => Promise<unknown>) => {
    for (let at = 0; at < count; at++) await work()
  }
  const write = () => some(groups).say(some(steady))
  const visit = (group: LivingGroup) => async () => {
    await group.add(guest)
    await group.say(guest)
    await group.remove(guest)
  }
  const look = () =>
    createSessionLists(pool).pages(
      [...steady, guest].map((user_id) => ({ user_id, changed_since_s: 0, limit: 10 })),
      4_096,
      1_000_000,
    )
  const read = () =>
    createReadMarks(pool).mark(
      [902, 900, 901].map((user_id) => ({
        user_id,
        peer_id: some(groups).group_id,
        msg_id: '',
        server_msg_id: 1 + random(20),
        time: random(1_000_000),
      })),
    )
  await Promise.all([
    ...groups.map((group) => times(8, visit(group))),
    ...[1, 2, 3].map(() => times(25, write)),
    times(20, look),
    times(20, look),
    times(20, read),
    times(20, read),
  ])
  for (const { group_id } of groups)
    for (const user of steady) {
      const { rows } = await pool.query<{ exact: number }>({
        text: `SELECT count(*) AS exact FROM im_message_group WHERE group_id = $1 AND msg_from <> $2 AND msg_type <> 6
                  AND msg_id > (SELECT read_msg_id FROM im_session
                                 WHERE user_id = $2 AND session_type = 2 AND peer_id = $1)`,
        values: [group_id, user],
      })
      assert.equal(await views.unread(user, group_id), rows[0]?.exact, `unread of ${user}`)
    }
})
