/** What a pull is answered, decided without I/O: spec 1 "Messages", spec 2 "Pulling". */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { coffeechat } from '../../proto/index.js'
import { type CommandName, commandName, commands } from '../../schemas/packets.js'
import type { ListedSession, MessageCopy, SessionPage } from '../../workers/ports/queries.js'
import type { MessageReceipts } from '../../workers/ports/receipts.js'
import type { TimelinePage } from '../../workers/ports/timelines.js'
import { type QueryPorts, queries } from '../../workers/queries.worker.js'

type Query = coffeechat.event.IQueryRequested

const origin = {
  gate_id: 'gate-1',
  gate_epoch: 1,
  connection_id: 7,
  login_number: 3,
  user_id: 1,
  device: { client_type: 2 },
  seq_num: 77,
}
const place = { topic: '', partition: 0, offset: 0, appended: 0 }
const ask = (query: Partial<Query>): Query => ({ origin, time: 1, ...query })

const copy = (server_msg_id: number, more: Partial<MessageCopy> = {}): MessageCopy => ({
  server_msg_id,
  msg_id: `m${server_msg_id}`,
  from_user_id: 2,
  to_session_id: 1,
  msg_type: 1,
  msg_data: Buffer.from('hello'),
  attach: null,
  client_type: 1,
  stored_time: 1_234,
  read: false,
  ...more,
})

const session = (
  session_id: number,
  last?: MessageCopy,
  more: Partial<ListedSession> = {},
): ListedSession => ({
  session_id,
  session_type: 1,
  session_status: 0,
  unread: 1,
  updated_s: 10,
  extend_data: null,
  is_robot_session: false,
  pinned: false,
  muted: false,
  draft: null,
  last_server_msg_id: last?.server_msg_id ?? 0,
  ...(last ? { last } : {}),
  ...more,
})

/** Ports that remember what they were asked and answer the same to each question. */
function ports(
  answers: {
    page?: SessionPage
    copies?: readonly MessageCopy[]
    receipts?: MessageReceipts
    timeline?: TimelinePage
  } = {},
  maxBytes = 4_194_304,
) {
  const asked: unknown[] = []
  const remember =
    <Answer>(answer: Answer) =>
    async (questions: readonly unknown[]) => {
      asked.push(...questions)
      return questions.map(() => answer)
    }
  const all: QueryPorts = {
    sessionLists: { pages: remember(answers.page ?? { unread_total: 0, sessions: [] }) },
    history: {
      pages: remember(answers.copies ?? []),
      byIds: remember(answers.copies ?? []),
      latest: remember(answers.copies?.at(-1)),
    },
    receipts: { of: remember(answers.receipts) },
    sentMessages: { of: remember(answers.copies?.[0]) },
    timelines: { pages: remember(answers.timeline ?? { messages: [], next_cursor: 0, has_more: false }) },
    pullLimits: { HISTORY_LIMIT_DEFAULT: 20, HISTORY_LIMIT_MAX: 100, MAX_RESPONSE_BYTES: maxBytes },
  }
  return { all, asked }
}

/** The one packet that answers a query. */
async function answered(query: Query, given = ports()) {
  const loaded = await queries.load?.([query], given.all, [place])
  assert.ok(loaded)
  const [outcome, ...more] = queries.decide(query, loaded, {
    topic: '',
    partition: 0,
    offset: 0,
    appended: 0,
  })
  assert.equal(more.length, 0)
  assert.ok(outcome?.kind === 'emit')
  assert.equal(outcome.instance, 'gate-1')
  const packet = outcome.event.packet?.[0]
  assert.deepEqual(packet?.target, [{ gate_epoch: 1, connection_id: 7, login_number: 3, seq_num: 77 }])
  const name = commandName(packet?.command_id ?? 0) as CommandName
  assert.ok(packet)
  return { name, size_bytes: packet.body.length, body: commands[name].type.decode(packet.body) as never }
}

const history = (more: Partial<NonNullable<Query['history']>> = {}) =>
  ask({ history: { user_id: 1, session_type: 1, session_id: 2, end_msg_id: 0, limit_count: 0, ...more } })

for (const [what, query, result_code] of [
  ['a page above the limit', history({ limit_count: 101 }), 5],
  ['a session type that disagrees with the id', history({ session_type: 2 }), 5],
  ['a session id of nobody', history({ session_id: 0 }), 5],
  ["a group id with a pair's session type", history({ session_id: 2 ** 48 }), 5],
] as const)
  test(`${what} is refused, and nothing is read for it`, async () => {
    const given = ports()
    const { name, body } = await answered(query, given)
    assert.equal(name, 'ERROR_NOTIFY')
    const { result_code: code, command_id, seq_num } = body as Record<string, unknown>
    assert.deepEqual([code, command_id, seq_num], [result_code, query.history ? 0x0205 : 0x0305, 77])
    assert.deepEqual(given.asked, [])
  })

const inGroup = { user_id: 1, session_type: 2, session_id: 2 ** 48 }

for (const [what, query] of [
  ['history', ask({ history: { ...inGroup, end_msg_id: 0, limit_count: 0 } })],
  ['the latest id', ask({ latest: inGroup })],
  ['messages by id', ask({ by_id: { ...inGroup, msg_id_list: ['m1'] } })],
] as const)
  test(`${what} of a group of which one never was a member is forbidden`, async () => {
    const given = ports()
    const strange = async (questions: readonly unknown[]) => questions.map(() => 'never-member' as const)
    const { name, body } = await answered(query, {
      ...given,
      all: { ...given.all, history: { pages: strange, latest: strange, byIds: strange } },
    })
    assert.equal(name, 'ERROR_NOTIFY')
    assert.equal((body as { result_code: number }).result_code, 7)
  })

test('history of a group has its session type, and names the group as the receiver', async () => {
  const copies = [copy(1, { to_session_id: 2 ** 48 }), copy(2, { from_user_id: 1, to_session_id: 2 ** 48 })]
  const given = ports({ copies })
  const { name, body } = await answered(
    ask({ history: { ...inGroup, end_msg_id: 0, limit_count: 0 } }),
    given,
  )
  assert.equal(name, 'MSG_LIST_RSP')
  const { session_type, msg_list } = body as { session_type: number; msg_list: Record<string, unknown>[] }
  assert.equal(session_type, 2)
  assert.deepEqual(
    msg_list.map((each) => [each.session_type, each.to_session_id, each.msg_status]),
    [
      [2, 2 ** 48, 1],
      [2, 2 ** 48, 5],
    ],
  )
  assert.deepEqual(given.asked, [
    { user_id: 1, peer_id: 2 ** 48, before: Number.MAX_SAFE_INTEGER, limit: 20 },
  ])
})

for (const [what, query, asked] of [
  ['no end and no limit', history(), { before: Number.MAX_SAFE_INTEGER, limit: 20 }],
  ['an end and the largest limit', history({ end_msg_id: 5, limit_count: 100 }), { before: 5, limit: 100 }],
] as const)
  test(`history with ${what} reads that page`, async () => {
    const given = ports()
    assert.equal((await answered(query, given)).name, 'MSG_LIST_RSP')
    assert.deepEqual(given.asked, [{ user_id: 1, peer_id: 2, ...asked }])
  })

test('history shows whose message it is and whether it was read', async () => {
  const copies = [
    copy(1),
    copy(2, { read: true }),
    copy(3, { from_user_id: 1, to_session_id: 2 }),
    copy(4, { from_user_id: 1, to_session_id: 2, read: true, attach: 'note' }),
  ]
  const { body } = await answered(history(), ports({ copies }))
  const { msg_list } = body as { msg_list: Record<string, unknown>[] }
  assert.deepEqual(
    msg_list.map((each) => [each.server_msg_id, each.msg_status, each.msg_feature, each.attach ?? null]),
    [
      [1, 1, 2, null],
      [2, 2, 2, null],
      [3, 5, 2, null],
      [4, 6, 2, 'note'],
    ],
  )
})

test('the latest id of a pair without messages is empty', async () => {
  const query = ask({ latest: { user_id: 1, session_type: 1, session_id: 2 } })
  const { name, body } = await answered(query)
  assert.equal(name, 'GET_LATEST_MSG_ID_RSP')
  const { latest_msg_id, server_msg_id } = body as Record<string, unknown>
  assert.deepEqual([latest_msg_id, server_msg_id ?? null], ['', null])
})

test('by id answers every match', async () => {
  const query = ask({ by_id: { user_id: 1, session_type: 1, session_id: 2, msg_id_list: ['m1'] } })
  const given = ports({ copies: [copy(1), copy(9, { msg_id: 'm1' })] })
  const { name, body } = await answered(query, given)
  assert.equal(name, 'GET_MSG_BY_ID_RSP')
  assert.equal((body as { msg_list: unknown[] }).msg_list.length, 2)
  assert.deepEqual(given.asked, [{ user_id: 1, peer_id: 2, msg_ids: ['m1'] }])
})

test('receipts name each reader in one list, of the session that the message is in', async () => {
  const receipts = { session_id: 2 ** 48, server_msg_id: 7, read: [3], received: [4, 5], waiting: [] }
  const query = ask({ receipts: { user_id: 1, msg_id: 'm7' } })
  const given = ports({ receipts })
  const { name, body } = await answered(query, given)
  assert.equal(name, 'GET_RECEIPTS_RSP')
  assert.deepEqual(
    { ...(body as object) },
    {
      user_id: 1,
      msg_id: 'm7',
      session_type: 2,
      session_id: 2 ** 48,
      server_msg_id: 7,
      read_user_id: [3],
      received_user_id: [4, 5],
      waiting_user_id: [],
    },
  )
  assert.deepEqual(given.asked, [{ user_id: 1, msg_id: 'm7' }])
})

test('receipts of a message that the user did not write are NOT_FOUND', async () => {
  const { name, body } = await answered(ask({ receipts: { user_id: 1, msg_id: 'theirs' } }))
  assert.equal(name, 'ERROR_NOTIFY')
  const { result_code, command_id } = body as Record<string, unknown>
  assert.deepEqual([result_code, command_id], [8, 0x0330])
})

test('a sync answers the page, where the next one starts, and whether there is one', async () => {
  const timeline = { messages: [copy(3), copy(4)], next_cursor: 12, has_more: true }
  const given = ports({ timeline })
  const { name, body } = await answered(ask({ sync: { user_id: 1, cursor: 10, limit_count: 2 } }), given)
  assert.equal(name, 'SYNC_RSP')
  const { next_cursor, has_more, msg_list } = body as Record<string, unknown> & { msg_list: unknown[] }
  assert.deepEqual([next_cursor, has_more, msg_list.length], [12, true, 2])
  assert.deepEqual(given.asked, [{ user_id: 1, cursor: 10, limit: 2 }])
})

test('a sync without a limit asks for a hundred, one above it is refused', async () => {
  const given = ports()
  await answered(ask({ sync: { user_id: 1, cursor: 0, limit_count: 0 } }), given)
  assert.deepEqual(given.asked, [{ user_id: 1, cursor: 0, limit: 100 }])
  const { name, body } = await answered(ask({ sync: { user_id: 1, cursor: 0, limit_count: 101 } }))
  assert.equal(name, 'ERROR_NOTIFY')
  assert.equal((body as { result_code: number }).result_code, 5)
})

type List = {
  contact_session_list: {
    session_id: number
    msg_id: string
    msg_data: Uint8Array
    extend_data: string | null
    msg_type: number
    msg_status: number
    msg_time_stamp: number
  }[]
  has_more: boolean
  unread_counts: number
  server_time: number
}

async function listed(sessions: readonly ListedSession[], limit_count = 0, maxBytes?: number) {
  const given = ports({ page: { unread_total: 42, sessions } }, maxBytes)
  const query = ask({ sessions: { user_id: 1, latest_update_time: 0, limit_count } })
  const { name, body, size_bytes } = await answered(query, given)
  assert.equal(name, 'RECENT_CONTACT_SESSION_RSP')
  return { list: body as List, size_bytes, asked: given.asked }
}

test('a list has the total, the time of the server, and says whether there are more', async () => {
  const three = [session(4, copy(1)), session(3, copy(1)), session(2, copy(1))]
  const { list, asked } = await listed(three, 2)
  assert.deepEqual(asked, [{ user_id: 1, changed_since_s: 0, limit: 3 }])
  assert.deepEqual(
    list.contact_session_list.map((each) => each.session_id),
    [4, 3],
  )
  assert.deepEqual([list.has_more, list.unread_counts], [true, 42])
  assert.ok(Math.abs(list.server_time - Date.now() / 1_000) < 60)
  assert.equal((await listed(three, 3)).list.has_more, false)
  assert.equal((await listed(three)).list.has_more, false)
})

test('the next page starts after the last session of this one', async () => {
  const given = ports()
  const page = { user_id: 1, latest_update_time: 5, limit_count: 4_294_967_295 }
  await answered(ask({ sessions: { ...page, before_update_time: 9, before_session_id: 3 } }), given)
  await answered(ask({ sessions: { ...page, before_update_time: 9 } }), given)
  const most = 4_194_304 / 32 + 1
  assert.deepEqual(given.asked, [
    { user_id: 1, changed_since_s: 5, after: { updated_s: 9, session_id: 3 }, limit: most },
    { user_id: 1, changed_since_s: 5, after: { updated_s: 9, session_id: 0 }, limit: most },
  ])
})

test('a session without a message has the defaults', async () => {
  const [only] = (await listed([session(2)])).list.contact_session_list
  assert.deepEqual(
    [only?.msg_id, only?.msg_time_stamp, only?.msg_data.length, only?.msg_type, only?.msg_status],
    ['', 0, 0, 8, 0],
  )
})

test('what would be too large loses content from the oldest on, then the oldest themselves', async () => {
  const large = copy(1, { msg_data: Buffer.alloc(3_000, 1), attach: 'note' })
  const sessions = Array.from({ length: 100 }, (_, at) =>
    session(1_000 - at, large, { extend_data: 'pinned' }),
  )

  const fitted = await listed(sessions, 0, 65_536)
  const withContent = fitted.list.contact_session_list.filter((each) => each.msg_data.length > 0)
  assert.equal(fitted.list.contact_session_list.length, 100)
  assert.equal(fitted.list.has_more, false)
  assert.deepEqual(withContent, fitted.list.contact_session_list.slice(0, withContent.length))
  assert.ok(withContent.length >= 18 && fitted.size_bytes <= 65_536)
  assert.ok(fitted.list.contact_session_list.slice(withContent.length).every((each) => !each.extend_data))

  const cut = await listed(sessions, 0, 2_000)
  assert.equal(cut.list.has_more, true)
  assert.deepEqual(cut.list.contact_session_list.map((each) => each.session_id).slice(0, 2), [1_000, 999])
  assert.ok(cut.size_bytes > 1_700 && cut.size_bytes <= 2_000)
})

test('an event that asks for nothing is rejected', async () => {
  const query = ask({})
  const loaded = await queries.load?.([query], ports().all, [place])
  assert.ok(loaded)
  const outcomes = queries.decide(query, loaded, place)
  assert.deepEqual(outcomes, [{ kind: 'reject', reason: 'asks for nothing' }])
})
