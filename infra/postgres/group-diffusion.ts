/**
 * Whether a group's messages are by writing or by reading (spec 2, "Group chat" 7), decided by each change of the group
 * under the lock of its conversation: from the change's own number on.
 */
import type { PoolClient } from 'pg'
import type { GroupPlan } from '../../workers/ports/groups.js'
import { prepared } from './pool.js'

/** What a change means for how the group's messages are kept. */
export interface Diffusion {
  readonly by_reading: boolean
  /** The change crosses the limit. */
  readonly crosses: boolean
  /** Somebody joins or leaves. */
  readonly moves: boolean
  /** Whose sessions have to be settled, as nothing does it later: those by reading who leave, or who no longer are. */
  readonly settling: readonly number[]
}

const findMode = prepared<{ by_reading: boolean }>(
  'group-diffusion',
  `SELECT by_reading FROM im_group_diffusion WHERE group_id = $1 ORDER BY from_msg_id DESC LIMIT 1`,
)
const selectReaders = prepared<{ user_id: number }>(
  'group-diffusion-readers',
  'SELECT user_id FROM im_group_member WHERE group_id = $1 AND by_reading ORDER BY user_id',
)
const switchMode = prepared(
  'group-diffusion-switch',
  'INSERT INTO im_group_diffusion (group_id, from_msg_id, by_reading) VALUES ($1, $2, $3)',
)
const settle = prepared(
  'group-diffusion-settle',
  `SELECT im_settle_sessions($2::bigint[], ARRAY(SELECT $1::bigint FROM unnest($2::bigint[])), $3)`,
)
/** Only where it changes: of a large group those few who join or leave. */
const markMembers = prepared(
  'group-diffusion-members',
  `UPDATE im_group_member SET by_reading = $2 AND left_at_msg_id IS NULL
    WHERE group_id = $1 AND by_reading <> ($2 AND left_at_msg_id IS NULL)`,
)

/**
 * What a change means that leaves the group with so many members. To be asked before the members are changed.
 * @param writeDiffusionMax members above which a group is by reading
 */
export async function diffusionOf(
  client: PoolClient,
  group_id: number,
  { members, writeDiffusionMax }: { members: number; writeDiffusionMax: number },
  { added, removed }: Pick<GroupPlan, 'added' | 'removed'>,
): Promise<Diffusion> {
  const [mode] = await findMode(client, [group_id])
  const was = mode?.by_reading ?? false
  const by_reading = members > writeDiffusionMax
  const moves = added.length + removed.length > 0
  if (!was) return { by_reading, crosses: by_reading, moves, settling: [] }
  if (by_reading) return { by_reading, crosses: false, moves, settling: removed }
  const readers = await selectReaders(client, [group_id])
  return { by_reading, crosses: true, moves, settling: readers.map(({ user_id }) => user_id) }
}

/** Writes it, with the number of the change, after the members were changed. */
export async function diffuse(
  client: PoolClient,
  group_id: number,
  { by_reading, crosses, moves, settling }: Diffusion,
  number: number,
  now: number,
): Promise<void> {
  if (crosses) await switchMode(client, [group_id, number, by_reading])
  if (settling.length > 0) await settle(client, [group_id, settling, now])
  if (crosses || (by_reading && moves)) await markMembers(client, [group_id, by_reading])
}
