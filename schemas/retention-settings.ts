/** How long things are kept in the database, in days (docs/operate/retention.md). Part of config.ts. */
import { z } from 'zod'
import { cron, setting } from './setting.js'

const century_days = 36_525

/** 0 keeps for ever. @param least below it something of ours would still ask for what is gone */
const days = (least: number) =>
  z.coerce
    .number()
    .int()
    .min(0)
    .max(century_days)
    .refine((value) => value === 0 || value >= least, `0 (kept for ever) or at least ${least}`)

/** Topics keep submitted messages for a week: a replay would store what was removed before that as new. */
const afterReplays_days = 8
/** A push may wait for 30 days for who is offline. */
const afterWaiting_days = 30

export const retentionSettings = {
  RETENTION_CRON: setting(cron, '0 17 * * * *', 'when what is too old is removed from the database'),
  RETENTION_MESSAGES_DAYS: setting(
    days(afterReplays_days),
    '0',
    'days after which messages are removed, read or not, and the files that no other message names; 0 keeps them for ever',
  ),
  RETENTION_DELIVERIES_DAYS: setting(
    days(afterReplays_days),
    '0',
    'days after which it is forgotten which devices got a group message, of readers who have read it; 0 keeps that as long as the message',
  ),
  RETENTION_PUSHES_DAYS: setting(
    days(afterWaiting_days),
    '30',
    'days after which pushes of businesses and what became of them are forgotten; 0 keeps them for ever',
  ),
  RETENTION_PUSH_LEDGER_DAYS: setting(
    days(afterReplays_days),
    '90',
    'days after which it is forgotten which devices were notified of what; 0 keeps it for ever',
  ),
  RETENTION_DEVICES_DAYS: setting(
    days(afterWaiting_days),
    '365',
    'days without a login after which a device and its push tokens are forgotten; 0 keeps them for ever',
  ),
}
