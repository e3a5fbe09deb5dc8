/** Timelines: over im_extend_timelines and im_timeline_page (migration 0009). */
import type { Pool } from 'pg'
import type { SyncAsked, TimelinePage, Timelines } from '../../workers/ports/timelines.js'
import { byQuestion, type CopyRow, type Numbered, toCopy } from './copies.js'
import { prepared } from './pool.js'
import { settleSessions } from './settlement.js'

type PageRow = Numbered & { last_cursor: number } & (
    | (CopyRow & { cursor: number })
    | { cursor: null; number: null }
  )

const extend = prepared(
  'timelines-extend',
  'SELECT im_extend_timelines($1::bigint[], $2::bigint[], $3::integer[])',
)

// One statement, so that the end of a timeline and the page are of one moment.
const findPages = prepared<PageRow>(
  'timelines-pages',
  `SELECT q.o::integer AS question, t.last_cursor, m.*
     FROM unnest($1::bigint[], $2::bigint[], $3::integer[]) WITH ORDINALITY q(u, cursor, n, o)
     JOIN im_timeline t ON t.user_id = q.u
     LEFT JOIN LATERAL im_timeline_page(q.u, q.cursor, q.n) m ON true
    ORDER BY q.o, m.cursor`,
)

/** On this pool. Three round trips per call. */
export function createTimelines(pool: Pool): Timelines {
  return {
    async pages(asked) {
      const users = asked.map((each) => each.user_id)
      const columns = [users, asked.map((each) => each.cursor), asked.map((each) => each.limit)]
      await settleSessions(pool, users)
      await extend(pool, columns)
      const rows = byQuestion(await findPages(pool, columns), asked.length)
      return asked.map((question, at) => toPage(question, rows[at] ?? []))
    },
  }
}

function toPage({ cursor, limit }: SyncAsked, rows: readonly PageRow[]): TimelinePage {
  const end = Math.max(cursor, rows[0]?.last_cursor ?? 0)
  const found = rows.filter((row) => row.cursor !== null)
  if (found.length >= limit) {
    const next_cursor = found.at(-1)?.cursor ?? end
    return { messages: found.map(toCopy), next_cursor, has_more: next_cursor < end }
  }
  // A page that is not full has reached the end, past what a membership no longer covers and what was removed. Where
  // that was a page's worth, what is new has no cursors yet.
  return { messages: found.map(toCopy), next_cursor: end, has_more: end - cursor >= limit }
}
