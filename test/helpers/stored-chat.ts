/** Single-chat messages in a database of one's own, for tests of what is read from it. */
import type pg from 'pg'
import { createMessageStore } from '../../infra/postgres/messages.js'
import type { NewMessage, StoredMessage } from '../../workers/ports/messages.js'
import { message } from './new-message.js'
import { populated } from './populated.js'

export interface StoredChat {
  readonly pool: pg.Pool
  /** Stores one message; `more` overrides its fields. */
  say(from: number, to: number, text: string, more?: Partial<NewMessage>): Promise<StoredMessage>
  /** Stores `count` messages in one batch. */
  sayMany(from: number, to: number, count: number): Promise<void>
  /** The session row of a user. */
  session(user: number, peer: number): Promise<Record<string, unknown> | undefined>
  close(): Promise<void>
}

/** Users 1 … 999 exist and have said nothing. */
export async function openStoredChat(): Promise<StoredChat> {
  const { pool, close } = await populated(999)
  const store = createMessageStore(pool)

  const saying = (from: number, to: number, text: string, more: Partial<NewMessage> = {}): NewMessage =>
    message(from, to, { msg_data: Buffer.from(text), ...more })

  return {
    pool,
    async say(from, to, text, more) {
      const [stored] = await store.store([saying(from, to, text, more)])
      if (stored === undefined || stored.res_code !== 0) throw new Error('the message was not stored')
      return stored
    },
    async sayMany(from, to, count) {
      await store.store(Array.from({ length: count }, (_, at) => saying(from, to, `${at + 1}`)))
    },
    async session(user, peer) {
      const { rows } = await pool.query<Record<string, unknown>>({
        text: 'SELECT * FROM im_session WHERE user_id = $1 AND session_type = 1 AND peer_id = $2',
        values: [user, peer],
      })
      return rows[0]
    },
    close,
  }
}
