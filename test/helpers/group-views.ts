/** What a user sees of a group on the real PostgreSQL: in the list, in history, in the timeline. */
import type pg from 'pg'
import { createMessageHistory } from '../../infra/postgres/history.js'
import { createReadMarks } from '../../infra/postgres/reads.js'
import { createSessionLists } from '../../infra/postgres/sessions.js'
import { createTimelines } from '../../infra/postgres/timelines.js'

/** Looks on this pool. */
export function groupViews(pool: pg.Pool) {
  /** The session as the user's client lists it, and the total over all. */
  async function listed(user_id: number, group: number) {
    const [page] = await createSessionLists(pool).pages(
      [{ user_id, changed_since_s: 0, limit: 1_000 }],
      4_096,
      1_000_000,
    )
    const session = page?.sessions.find(({ session_id }) => session_id === group)
    return session && { unread: session.unread, last: session.last_server_msg_id, total: page?.unread_total }
  }

  const unread = async (user_id: number, group: number) => (await listed(user_id, group))?.unread

  const markRead = (user_id: number, peer_id: number, server_msg_id: number) =>
    createReadMarks(pool).mark([{ user_id, peer_id, msg_id: '', server_msg_id, time: server_msg_id }])

  async function history(user_id: number, group: number): Promise<number[]> {
    const [page] = await createMessageHistory(pool).pages([
      { user_id, peer_id: group, before: 2 ** 52, limit: 1_000 },
    ])
    if (page === undefined || page === 'never-member') return []
    return page.map(({ server_msg_id }) => server_msg_id)
  }

  /** What the user's next pages of the timeline hold of the group, and the cursor after them. */
  async function sync(user_id: number, group: number, from = 0): Promise<{ seen: number[]; cursor: number }> {
    const seen: number[] = []
    for (let cursor = from; ; ) {
      const [page] = await createTimelines(pool).pages([{ user_id, cursor, limit: 7 }])
      seen.push(
        ...page!.messages
          .filter(({ to_session_id }) => to_session_id === group)
          .map(({ server_msg_id }) => server_msg_id),
      )
      cursor = page!.next_cursor
      if (!page!.has_more) return { seen, cursor }
    }
  }

  return { listed, unread, markRead, history, sync }
}
