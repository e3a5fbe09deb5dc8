/** A group whose members come and go, changed and written in as the workers do, on the real PostgreSQL. */
import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { createGroupFanout } from '../../infra/postgres/fanout.js'
import { createGroupChanges } from '../../infra/postgres/group-changes.js'
import { createMessageStore } from '../../infra/postgres/messages.js'
import type { GroupPlan, GroupRequest } from '../../workers/ports/groups.js'
import type { GroupFanout, NewMessage } from '../../workers/ports/messages.js'
import { message } from './new-message.js'

export interface Said {
  readonly number: number
  readonly from: number
  readonly msg_id: string
}

export interface LivingGroup {
  readonly group_id: number
  /** Answers the number of the change; it is fanned out unless `unfanned`. */
  add(...users: number[]): Promise<number>
  remove(...users: number[]): Promise<number>
  /** A message of a member; fanned out unless `unfanned`. */
  say(from: number, more?: Partial<NewMessage> & { unfanned?: boolean }): Promise<Said>
  /** Answers the readers of each. */
  fanOut(...numbers: number[]): Promise<readonly (readonly number[])[]>
}

const nothingElse = { group: {}, added: [], removed: [], roles: [], joins: [], muted: undefined }

const requestFor = (group_id: number | undefined, owner: number, plan: Partial<GroupPlan>): GroupRequest => ({
  msg_id: `g:${randomUUID()}`,
  digest: Buffer.alloc(16),
  group_id,
  owner_id: group_id === undefined ? owner : undefined,
  operator: undefined,
  joinExpires_ms: 1_000,
  named: [],
  msg_seq: 1,
  client_type: 2,
  judge: () => ({
    kind: 'planned',
    plan: {
      ...nothingElse,
      from: owner,
      notification: { notification: 'group.changed', data: { operator: String(owner), members: [] } },
      ...plan,
    },
  }),
})

const newGroup = {
  group_name: 'a group',
  announcement: '',
  intro: '',
  avatar: '',
  group_type: 1,
} as const

/**
 * A group of these members; the first one owns it and stays.
 * @param writeDiffusionMax members above which it is by reading
 */
export async function livingGroup(
  pool: pg.Pool,
  members: readonly number[],
  writeDiffusionMax: number,
): Promise<LivingGroup> {
  const [owner = 0] = members
  const changes = createGroupChanges(pool, { writeDiffusionMax })
  const fanout: GroupFanout = createGroupFanout(pool)

  async function change(group_id: number | undefined, plan: Partial<GroupPlan>) {
    const [outcome] = await changes.apply([requestFor(group_id, owner, plan)])
    if (outcome?.kind !== 'changed') throw new Error('the group was not changed')
    const { to_session_id, server_msg_id } = outcome.notification
    await fanout.fanOut([{ group_id: to_session_id, server_msg_id }])
    return outcome.notification
  }

  const made = await change(undefined, { group: { ...newGroup, owner_id: owner }, added: members })
  const group_id = made.to_session_id
  const fanOut = (...numbers: number[]) =>
    fanout.fanOut(numbers.map((server_msg_id) => ({ group_id, server_msg_id })))
  return {
    group_id,
    fanOut,
    add: async (...added) => (await change(group_id, { added })).server_msg_id,
    remove: async (...removed) => (await change(group_id, { removed })).server_msg_id,
    async say(from, { unfanned = false, ...more } = {}) {
      const sent = message(from, group_id, more)
      const [stored] = await createMessageStore(pool).store([sent])
      if (stored?.res_code !== 0) throw new Error(`refused: ${stored?.res_code}`)
      if (!unfanned) await fanOut(stored.server_msg_id)
      return { number: stored.server_msg_id, from, msg_id: sent.msg_id }
    },
  }
}
