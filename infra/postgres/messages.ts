/** Numbering and storing: the MessageStore over im_store_single and im_store_group (migrations 0002 and 0007). */
import { createHash } from 'node:crypto'
import type { Pool } from 'pg'
import { isGroupId } from '../../schemas/ids.js'
import type { MessageStore, NewMessage, StoredMessage } from '../../workers/ports/messages.js'
import { bigints, byteas, integers, smallints, texts } from './arrays.js'
import { isUniqueViolation } from './errors.js'

/** Two owners of one partition, or one msg_id to two receivers at once, can meet this often before it is odd. */
const maxJudgements = 10

interface ResultRow {
  res_code: number
  number: number | null
  stored_at: number | null
  repeated: boolean
}

const isToGroup = (message: NewMessage): boolean => isGroupId(message.to_session_id)

/** Who may write to a user (STRANGER_POLICY), by the number that im_store_single takes. */
const policies = { anyone: 0, friends: 1, organization: 2 }
export type StrangerPolicy = keyof typeof policies

/** Stores on this pool. One round trip per batch, two where it has messages to users and to groups. */
export function createMessageStore(pool: Pool, policy: StrangerPolicy = 'anyone'): MessageStore {
  const storeKind = createStoring(pool, policies[policy])
  return {
    async store(messages) {
      const toGroups = messages.filter(isToGroup)
      if (toGroups.length === messages.length) return storeKind('group', messages)
      if (toGroups.length === 0) return storeKind('single', messages)
      // Each keeps the order of its conversations. One after the other: one msg_id may be in both.
      const single = await storeKind(
        'single',
        messages.filter((message) => !isToGroup(message)),
      )
      const group = await storeKind('group', toGroups)
      const [singles, groups] = [single.values(), group.values()]
      return messages.map((message) => (isToGroup(message) ? groups : singles).next().value!)
    },
  }
}

const createStoring =
  (pool: Pool, policy: number) =>
  async (kind: 'single' | 'group', messages: readonly NewMessage[]): Promise<StoredMessage[]> => {
    for (let judgement = 1; ; judgement++) {
      try {
        const { rows } = await pool.query<ResultRow>({
          name: `store-${kind}`,
          text: storeSql[kind],
          values: kind === 'single' ? [...columns(messages), policy] : columns(messages),
        })
        return rows.map(toStored)
      } catch (error) {
        // The whole batch was rolled back; judged again it finds what the other owner stored.
        if (!isUniqueViolation(error) || judgement === maxJudgements) throw error
      }
    }
  }

const storeWith = (name: string, more = '') => `SELECT res_code, number, stored_at, repeated
  FROM ${name}($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::smallint[], $6::bytea[], $7::bytea[],
               $8::text[], $9::text[], $10::integer[], $11::smallint[], $12${more})`

const storeSql = {
  single: storeWith('im_store_single', ', $13::smallint'),
  group: storeWith('im_store_group'),
}

/** The arrays that both functions take, in their order. */
function columns(messages: readonly NewMessage[]): unknown[] {
  const column = <T>(of: (message: NewMessage) => T): T[] => messages.map(of)
  return [
    bigints(column((message) => message.from_user_id)),
    bigints(column((message) => message.to_session_id)),
    texts(column((message) => message.msg_id)),
    texts(column((message) => message.conversation)),
    smallints(column((message) => message.msg_type)),
    byteas(column((message) => message.msg_data)),
    byteas(column(contentHash)),
    texts(column((message) => message.attach)),
    texts(column((message) => (message.mention.length === 0 ? null : `{${message.mention.join(',')}}`))),
    integers(column((message) => message.msg_seq)),
    smallints(column((message) => message.client_type)),
    Date.now(),
  ]
}

/** Of all that makes a repeat the same message, beside receiver and type (spec 1, Identifiers). */
function contentHash(stored: NewMessage): Buffer {
  const message = stored.sent ?? stored
  const hash = createHash('sha256').update(message.msg_data)
  if (message.attach !== null) hash.update('\0attach\0').update(message.attach)
  if (message.mention.length > 0) hash.update(`\0mention\0${message.mention.join(',')}`)
  return hash.digest().subarray(0, 16)
}

function toStored(row: ResultRow): StoredMessage {
  const stored = row.res_code === 0
  return {
    res_code: row.res_code,
    server_msg_id: stored ? (row.number ?? 0) : 0,
    stored_time: stored ? (row.stored_at ?? 0) : 0,
    repeated: stored && row.repeated,
  }
}
