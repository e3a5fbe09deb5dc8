/** One message by its sender and the sender's name for it, to a user or to a group: by the key of im_message_send. */
import type { Pool } from 'pg'
import type { SentMessages } from '../../workers/ports/queries.js'
import { byQuestion, type CopyRow, hasBeenRead, type Numbered, ownCopy, toCopy } from './copies.js'
import { prepared } from './pool.js'

// Of a group there is no session of type 1, so its messages are never said to be read.
const findSent = prepared<CopyRow & Numbered>(
  'sent-messages',
  `SELECT q.o::integer AS question, m.*, ${hasBeenRead}
     FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY q(u, i, o)
    CROSS JOIN LATERAL (
      SELECT ${ownCopy} FROM im_message_send x WHERE x.from_id = q.u AND x.client_msg_id = q.i) m
     LEFT JOIN im_session s ON s.user_id = q.u AND s.session_type = 1 AND s.peer_id = m.receiver`,
)

/** Reads on this pool. */
export function createSentMessages(pool: Pool): SentMessages {
  return {
    async of(asked) {
      const rows = await findSent(pool, [asked.map((each) => each.user_id), asked.map((each) => each.msg_id)])
      return byQuestion(rows, asked.length).map(([found]) => found && toCopy(found))
    },
  }
}
