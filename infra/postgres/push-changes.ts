/** Changes of push tokens and of what users want of notifications, within the transaction of their request. */
import type { PoolClient } from 'pg'
import type { PushSettings } from '../../workers/ports/push.js'
import type { PushToken, PushTokenFilter } from '../../workers/ports/users.js'

/**
 * The first provider that was registered for a device is tried first; a new token of the same one replaces it. An
 * installation of an app has one token: who has registered it before, on whatever device, is not reached there now.
 */
export async function setPushToken(client: PoolClient, push: PushToken, time: number): Promise<void> {
  const { user_id, device, provider, token } = push
  const names = [user_id, device.client_type, device.device_id ?? '', provider, token]
  await client.query(
    `DELETE FROM im_push_token t
      WHERE t.provider = $4 AND md5(t.token) = md5($5) AND t.token = $5
        AND (t.user_id, t.client_type, t.device_id) <> ($1, $2::smallint, $3::text)
        AND EXISTS (SELECT FROM im_user u WHERE u.user_id = $1)`,
    names,
  )
  await client.query(
    `INSERT INTO im_push_token (user_id, client_type, device_id, provider, token, position, created)
     SELECT u.user_id, $2, $3, $4, $5,
            (SELECT coalesce(max(t.position), -1) + 1 FROM im_push_token t
              WHERE t.user_id = u.user_id AND t.client_type = $2 AND t.device_id = $3),
            $6
       FROM im_user u WHERE u.user_id = $1
     ON CONFLICT (user_id, client_type, device_id, provider)
     DO UPDATE SET token = excluded.token, created = excluded.created`,
    [...names, time],
  )
}

/** Of any device and provider where they are not named. */
export async function deletePushTokens(
  client: PoolClient,
  userId: number,
  { client_type, device_id, provider }: PushTokenFilter,
): Promise<void> {
  await client.query(
    `DELETE FROM im_push_token
      WHERE user_id = $1 AND ($2::smallint IS NULL OR client_type = $2) AND ($3::text IS NULL OR device_id = $3)
        AND ($4::text IS NULL OR provider = $4)`,
    [userId, client_type ?? null, device_id ?? null, provider ?? null],
  )
}

/** Of a user who exists. */
export async function setPushSettings(
  client: PoolClient,
  userId: number,
  { quiet, mentions, preview }: PushSettings,
  time: number,
): Promise<void> {
  await client.query(
    `INSERT INTO im_push_settings (user_id, quiet_from, quiet_to, time_zone, mentions, preview, updated)
     SELECT user_id, $2, $3, $4, $5, $6, $7 FROM im_user WHERE user_id = $1
     ON CONFLICT (user_id) DO UPDATE
       SET quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to, time_zone = excluded.time_zone,
           mentions = excluded.mentions, preview = excluded.preview, updated = excluded.updated`,
    [userId, quiet?.from ?? null, quiet?.to ?? null, quiet?.time_zone ?? null, mentions, preview, time],
  )
}
