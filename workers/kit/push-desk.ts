/** What app servers ask about notifications: tokens, settings, what became of a message on each device, the ledger. */
import { deviceKey, isGroupId, parseDeviceKey } from '../../schemas/ids.js'
import type { UserAnswer, UserCall } from '../../schemas/user-operations.js'
import type { AckLookup } from '../ports/presence.js'
import type { PushSettings, QuietHours } from '../ports/push.js'
import type { MessageDeliveries, PushRecord, PushRecords, ReaderDelivery } from '../ports/push-records.js'

export interface DeskPorts {
  readonly pushRecords: PushRecords
  readonly pending: AckLookup
}

type Answered<Key extends keyof UserAnswer> = NonNullable<UserAnswer[Key]>
type Delivery = Answered<'message'>['deliveries'][number]
type AskedSettings = Answered<'push_settings'>

const single = 1
const group = 2

/** The answer to a question about notifications; undefined where it is about something else, or about no message. */
export async function answerOfDesk(call: UserCall, ports: DeskPorts): Promise<UserAnswer | undefined> {
  const { pushRecords } = ports
  const { operation, arguments: given } = call
  switch (operation) {
    case 'push-tokens': {
      const tokens = await pushRecords.tokensOf(given.user_id)
      return {
        push_tokens: tokens.map(({ device, ...token }) => ({ ...deviceFields(deviceKey(device)), ...token })),
      }
    }
    case 'push-settings':
      return { push_settings: settingsShown(await pushRecords.settingsOf(given.user_id)) }
    case 'notifications': {
      const found = await pushRecords.notificationsOf(given)
      return { notifications: found.map(notificationShown) }
    }
    case 'deliveries': {
      const { user_id: from_user_id, ...asked } = given
      const found = await pushRecords.deliveriesOf({ from_user_id, ...asked })
      return found && { message: await deliveriesShown(from_user_id, asked.msg_id, found, ports.pending) }
    }
    default:
      return undefined
  }
}

const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))
const timeOf = (minutes: number): string =>
  [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':')

/** Settings as the tables have them. */
export const settingsKept = ({ quiet_hours, mentions, preview }: AskedSettings): PushSettings => ({
  quiet: quiet_hours && { ...quiet_hours, from: minutesOf(quiet_hours.from), to: minutesOf(quiet_hours.to) },
  mentions,
  preview,
})

const settingsShown = ({ quiet, mentions, preview }: PushSettings): AskedSettings => ({
  quiet_hours: quiet && hoursShown(quiet),
  mentions,
  preview,
})

const hoursShown = ({ from, to, time_zone }: QuietHours) => ({
  from: timeOf(from),
  to: timeOf(to),
  time_zone,
})

const deviceFields = (key: string): { client_type: number; device_id?: string } => parseDeviceKey(key)

const recordShown = (record: PushRecord) => ({
  notification_id: record.notification_id,
  state: record.state,
  trigger: record.reason,
  ...(record.provider === null ? {} : { provider: record.provider }),
  ...(record.answer === null ? {} : { answer: record.answer }),
  attempts: record.attempts,
  created: record.created,
  updated: record.updated,
})

const notificationShown = (record: PushRecord) => ({
  ...recordShown(record),
  ...deviceFields(record.device),
  from_user_id: String(record.from_user_id),
  msg_id: record.msg_id,
  ...(record.conversation === null
    ? {}
    : { conversation: record.conversation, server_msg_id: String(record.server_msg_id) }),
})

async function deliveriesShown(
  from_user_id: number,
  msg_id: string,
  { to_session_id, server_msg_id, readers, hasMore }: MessageDeliveries,
  pending: AckLookup,
): Promise<Answered<'message'>> {
  // What was acked in the last seconds waits in Redis for the flush.
  const open = readers.flatMap((reader) =>
    devicesOf(reader)
      .filter((device) => !reader.acked_by.includes(device))
      .map((device) => ({ reader_user_id: reader.reader_user_id, device, from_user_id, msg_id })),
  )
  const { acked } = open.length === 0 ? { acked: [] } : await pending.find(open)
  const fresh = new Set(
    open.filter((_, at) => acked[at]).map((each) => `${each.reader_user_id} ${each.device}`),
  )
  const last = readers.at(-1)
  return {
    session_id: String(to_session_id),
    session_type: isGroupId(to_session_id) ? group : single,
    server_msg_id: String(server_msg_id),
    deliveries: readers.flatMap((reader) =>
      readerDeliveries(reader, (device) => fresh.has(`${reader.reader_user_id} ${device}`)),
    ),
    ...(hasMore && last ? { next: String(last.reader_user_id) } : {}),
  }
}

/** deviceKey of each device that is known, that acked or that was to be notified. */
const devicesOf = ({ devices, acked_by, notifications }: ReaderDelivery): string[] =>
  [
    ...new Set([
      ...devices.map(({ device }) => device),
      ...acked_by,
      ...notifications.map(({ device }) => device),
    ]),
  ].sort()

function readerDeliveries(reader: ReaderDelivery, isFresh: (device: string) => boolean): Delivery[] {
  const user_id = String(reader.reader_user_id)
  const devices = devicesOf(reader)
  if (devices.length === 0) return [{ user_id, ...(reader.read ? { status: 'read' } : neverLoggedIn) }]
  return devices.map((device) => {
    const record = reader.notifications.find((each) => each.device === device)
    const acked = reader.acked_by.includes(device) || isFresh(device)
    return {
      user_id,
      ...deviceFields(device),
      ...(acked
        ? { status: 'acked' }
        : reader.read
          ? { status: 'read' }
          : openStatus(reader, device, record)),
      ...(record === undefined ? {} : { notification: recordShown(record) }),
    }
  })
}

type Status = Pick<Delivery, 'status' | 'reason'>
const neverLoggedIn: Status = { status: 'waiting', reason: 'never logged in' }

/** Of a device that has not got the message yet. */
function openStatus({ devices }: ReaderDelivery, device: string, record: PushRecord | undefined): Status {
  const reason = record?.answer ?? undefined
  const because = reason === undefined ? {} : { reason }
  if (record?.state === 'sent') return { status: 'notified' }
  if (record?.state === 'pending') return { status: 'notifying', ...because }
  if (record !== undefined) return { status: 'not_notified', ...because }
  const known = devices.find((each) => each.device === device)
  if (known?.logged_out) return { status: 'waiting', reason: 'logged out' }
  return { status: 'waiting', reason: known?.has_token === false ? 'no push token' : 'not acked' }
}
