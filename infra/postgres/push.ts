/** Offline push: what is known of whom to notify. Implements workers/ports/push.ts. */
import type { Pool } from 'pg'
import { deviceKey, groupOf } from '../../schemas/ids.js'
import type { GroupNames, PushAddress, PushTarget, PushTargets } from '../../workers/ports/push.js'
import { prepared } from './pool.js'
import { settingsOf } from './push-records.js'

interface TargetRow {
  logged_out: boolean
  active: boolean
  muted: boolean
  addresses: PushAddress[]
  settled: boolean
  superseded: boolean
  unread_total: number
  quiet_from: number | null
  quiet_to: number | null
  time_zone: string | null
  mentions: boolean
  preview: boolean
}

// What was given up may be tried again in the round in which it was: from the dead letters.
const selectTargets = prepared<TargetRow>(
  'push-targets',
  `WITH asked AS MATERIALIZED (
     SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[],
                          $8::text[], $9::bigint[], $10::integer[])
                   WITH ORDINALITY k(u, ct, di, device, f, i, g, c, n, round, o)
   ), totals AS MATERIALIZED (
     SELECT r.u, (SELECT coalesce(sum(s.unread), 0)::bigint FROM im_session s
                   WHERE s.user_id = r.u AND s.session_status = 0) + im_unsettled(r.u) AS unread_total
       FROM (SELECT DISTINCT u FROM asked) r
   )
   SELECT coalesce(d.logged_out, false) AS logged_out, coalesce(u.active, true) AS active,
          coalesce(s.muted, false) AS muted, coalesce(a.addresses, '[]') AS addresses,
          coalesce(l.state <> 'pending' AND NOT (l.state = 'failed' AND l.round = k.round + 1), false) AS settled,
          k.round > 0 AND EXISTS (
            SELECT FROM im_push_ledger n
             WHERE n.reader_id = k.u AND n.device = k.device AND n.conversation = k.c AND n.server_msg_id > k.n
               AND n.state = 'sent') AS superseded,
          t.unread_total, w.quiet_from, w.quiet_to, w.time_zone,
          coalesce(w.mentions, true) AS mentions, coalesce(w.preview, true) AS preview
     FROM asked k
     JOIN totals t ON t.u = k.u
     LEFT JOIN im_user u ON u.user_id = k.u
     LEFT JOIN im_push_settings w ON w.user_id = k.u
     LEFT JOIN im_session s ON s.user_id = k.u
       AND s.session_type = CASE WHEN k.g IS NULL THEN 1 ELSE 2 END AND s.peer_id = coalesce(k.g, k.f)
     LEFT JOIN im_device d ON d.user_id = k.u AND d.client_type = k.ct AND d.device_id = k.di
     LEFT JOIN LATERAL (
       SELECT json_agg(json_build_object('provider', p.provider, 'token', p.token) ORDER BY p.position) AS addresses
         FROM im_push_token p WHERE p.user_id = k.u AND p.client_type = k.ct AND p.device_id = k.di) a ON true
     LEFT JOIN im_push_ledger l
       ON l.reader_id = k.u AND l.device = k.device AND l.from_id = k.f AND l.client_msg_id = k.i
    ORDER BY k.o`,
)

function targetOf({ quiet_from, quiet_to, time_zone, mentions, preview, ...target }: TargetRow): PushTarget {
  return { ...target, settings: settingsOf({ quiet_from, quiet_to, time_zone, mentions, preview }) }
}

const selectNames = prepared<{ group_id: number; group_name: string }>(
  'group-names',
  'SELECT group_id, group_name FROM im_group WHERE group_id = ANY ($1::bigint[])',
)

/** What groups are called, on this pool. */
export const createGroupNames = (pool: Pool): GroupNames => ({
  async of(groupIds) {
    if (groupIds.length === 0) return new Map()
    const rows = await selectNames(pool, [[...new Set(groupIds)]])
    return new Map(rows.map(({ group_id, group_name }) => [group_id, group_name]))
  },
})

const deleteTokens = prepared(
  'push-delete-tokens',
  `DELETE FROM im_push_token t
    USING unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::bigint[])
          k(u, ct, di, provider, token, since)
    WHERE t.user_id = k.u AND t.client_type = k.ct AND t.device_id = k.di
      AND t.provider = k.provider AND t.token = k.token AND (k.since IS NULL OR t.created <= k.since)`,
)

/** Devices and their tokens on this pool. */
export const createPushTargets = (pool: Pool): PushTargets => ({
  async of(asked) {
    if (asked.length === 0) return []
    const rows = await selectTargets(pool, [
      asked.map((key) => key.reader_user_id),
      asked.map((key) => key.device.client_type),
      asked.map((key) => key.device.device_id ?? ''),
      asked.map((key) => deviceKey(key.device)),
      asked.map((key) => key.from_user_id),
      asked.map((key) => key.msg_id),
      asked.map((key) => groupOf(key.conversation) ?? null),
      asked.map((key) => key.conversation),
      asked.map((key) => key.server_msg_id),
      asked.map((key) => key.round),
    ])
    return rows.map(targetOf)
  },

  async remove(dead) {
    if (dead.length === 0) return
    await deleteTokens(pool, [
      dead.map((each) => each.user_id),
      dead.map((each) => each.device.client_type),
      dead.map((each) => each.device.device_id ?? ''),
      dead.map((each) => each.provider),
      dead.map((each) => each.token),
      dead.map((each) => each.since ?? null),
    ])
  },
})
