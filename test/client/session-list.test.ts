/** The client's session list: the server's counts, and what arrived since. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CIMContactSessionInfo,
  MessageFeature,
  MessageStatus,
  MsgType,
  SessionStatusType,
  SessionType,
} from '../../client/gen/protocol.js'
import type { ChatMessage } from '../../client/messages.js'
import { createSessionList } from '../../client/session-list.js'

const me = 1
const msg_data = Buffer.from('x')

const row = (
  session_id: number,
  server_msg_id: number,
  unread_cnt: number,
  more = {},
): CIMContactSessionInfo => ({
  ...{ session_id, server_msg_id, unread_cnt, msg_data, msg_id: `m${server_msg_id}` },
  ...{ session_type: SessionType.SINGLE, session_status: SessionStatusType.OK, updated_time: server_msg_id },
  ...{ msg_time_stamp: server_msg_id * 1_000, msg_type: MsgType.TEXT, msg_from_user_id: session_id },
  ...{ msg_status: MessageStatus.UNREAD, ...more },
})
const page = (...contact_session_list: CIMContactSessionInfo[]) => ({
  ...{ user_id: me, unread_counts: 0, contact_session_list, has_more: false, server_time: 1_000 },
})
const message = (
  session_id: number,
  server_msg_id: number,
  more: Partial<ChatMessage> = {},
): ChatMessage => ({
  ...{ session_id, server_msg_id, session_type: SessionType.SINGLE, msg_id: `m${server_msg_id}`, msg_data },
  ...{ from_user_id: session_id, to_session_id: me, create_time: server_msg_id * 1_000, mention_user_id: [] },
  ...{ msg_type: MsgType.TEXT, msg_feature: MessageFeature.DEFAULT, ...more },
})

type List = ReturnType<typeof createSessionList>
/** What happens, and then [session, unread, newest number] of each, newest first. */
const stories: Record<string, [(list: List) => void, [number, number, number][]]> = {
  "the server's rows, newest first": [
    (list) => list.load(page(row(5, 2, 1), row(6, 9, 0))),
    [
      [6, 0, 9],
      [5, 1, 2],
    ],
  ],
  'a message from the peer counts': [
    (list) => {
      list.load(page(row(5, 2, 1)))
      list.saw(message(5, 3), me)
    },
    [[5, 2, 3]],
  ],
  'what the server counted is not counted again': [
    (list) => {
      list.load(page(row(5, 2, 1)))
      list.saw(message(5, 1), me)
      list.saw(message(5, 2), me)
    },
    [[5, 1, 2]],
  ],
  "one's own and a notification do not count": [
    (list) => {
      list.saw(message(5, 1, { from_user_id: me, to_session_id: 5 }), me)
      list.saw(message(5, 2, { msg_type: MsgType.NOTIFICATION }), me)
    },
    [[5, 0, 2]],
  ],
  'an older answer does not undo what was shown since': [
    (list) => {
      list.saw(message(5, 3), me)
      list.load(page(row(5, 2, 7)))
    },
    [[5, 1, 3]],
  ],
  'the same number again brings what was read elsewhere': [
    (list) => {
      list.load(page(row(5, 3, 3)))
      list.load(page(row(5, 3, 0)))
    },
    [[5, 0, 3]],
  ],
  'read to its end a session has nothing unread': [
    (list) => {
      list.load(page(row(5, 3, 3)))
      assert.equal(list.read(5, 3), true)
    },
    [[5, 0, 3]],
  ],
  'read in part only the server can count it': [
    (list) => {
      list.load(page(row(5, 3, 3)))
      assert.equal(list.read(5, 2), false)
    },
    [[5, 3, 3]],
  ],
  'a deleted session is not listed': [
    (list) => {
      list.load(page(row(5, 3, 3), row(6, 1, 0)))
      list.load(page(row(5, 3, 0, { session_status: SessionStatusType.DELETE })))
    },
    [[6, 0, 1]],
  ],
}

for (const [title, [happens, expected]] of Object.entries(stories))
  test(title, () => {
    const list = createSessionList()
    happens(list)
    assert.deepEqual(
      list.all().map(({ session_id, unread, server_msg_id }) => [session_id, unread, server_msg_id]),
      expected,
    )
  })

test('it asks again from ten seconds before the last answer', () => {
  const list = createSessionList()
  assert.equal(list.since(), 0)
  list.load(page())
  assert.equal(list.since(), 990)
})
