/** Who is notified of what: the rules of offline push (spec 2, "Offline push"). Pure. */
import { CIM, type coffeechat } from '../../proto/index.js'
import { deviceKey, groupOf } from '../../schemas/ids.js'
import { previewOf } from '../../schemas/preview.js'
import type { DeliveryState, MessageForReader } from '../ports/messages.js'
import type { Notification, PushSettings, PushTarget, QuietHours } from '../ports/push.js'
import type { User } from '../ports/users.js'

type Trigger = coffeechat.event.IPushTriggered

/** What is known of one trigger. */
export interface PushFacts {
  readonly target: PushTarget
  readonly message: MessageForReader | undefined
  readonly state: DeliveryState | undefined
  /** The device's ack waits for the flush. */
  readonly acked: boolean
}

/** What all triggers of a batch share. */
export interface PushScene {
  readonly senders: ReadonlyMap<number, User>
  readonly groupNames: ReadonlyMap<number, string>
  /** False: nobody is shown what was written. */
  readonly preview: boolean
  /** ms: after that long a notification is of no use. */
  readonly maxAge_ms: number
  /** ms */
  readonly now: number
}

const hiddenText = 'New message'
const minutesOfDay = 24 * 60

/** Minutes from midnight in this zone. */
function minuteOfDay(time: number, timeZone: string): number {
  const clock = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hour: 'numeric',
    minute: 'numeric',
    hourCycle: 'h23',
  })
  const part = (type: 'hour' | 'minute') =>
    Number(clock.formatToParts(time).find((each) => each.type === type)?.value ?? 0)
  return part('hour') * 60 + part('minute')
}

/**
 * Whether a time lies in these hours, by the clock of their zone; the end is not part of them.
 * @param time ms
 */
export function isQuiet({ from, to, time_zone }: QuietHours, time: number): boolean {
  if (from === to) return true
  const since = (minuteOfDay(time, time_zone) - from + minutesOfDay) % minutesOfDay
  return since < (to - from + minutesOfDay) % minutesOfDay
}

/** Why this device is not to be notified; undefined where it is. */
export function suppressionOf(trigger: Trigger, facts: PushFacts, scene: PushScene): string | undefined {
  const { target, message, state, acked } = facts
  if (!target.active) return 'deactivated'
  if (target.logged_out) return 'logged out'
  if (trigger.notice) return disturbanceOf(false, target.settings, scene.now)
  if (message === undefined || state === undefined) return 'message is gone'
  // It does not count as unread either.
  if (message.msg_type === CIM.Def.CIMMsgType.kCIM_MSG_TYPE_NOTIFICATION) return 'a change of the group'
  if (state.read) return 'read'
  if (acked || state.acked_by.includes(deviceKey(trigger.device))) return 'acked'
  if (message.stored_time + scene.maxAge_ms <= scene.now) return 'too old'
  if (target.superseded) return 'a newer one was shown'
  if (target.settings.mentions && message.mention.includes(trigger.reader_user_id)) return undefined
  return disturbanceOf(target.muted, target.settings, scene.now)
}

function disturbanceOf(muted: boolean, { quiet }: PushSettings, now: number): string | undefined {
  if (muted) return 'muted'
  return quiet !== null && isQuiet(quiet, now) ? 'do not disturb' : undefined
}

/** Of a group message the title is the group's name, and the text says who wrote it. */
export function notificationOf(
  trigger: Trigger,
  { target, message }: PushFacts,
  scene: PushScene,
): Omit<Notification, 'notification_id'> {
  const { ref, reader_user_id, device, notice } = trigger
  if (notice) return noticeOf(trigger, notice, target, scene)
  const group = groupOf(ref.conversation)
  const sender = scene.senders.get(ref.from_user_id)?.nick_name ?? String(ref.from_user_id)
  const time = message?.stored_time ?? trigger.time
  const isShown = scene.preview && target.settings.preview
  const text = isShown && message ? previewOf(message.msg_type, message.msg_data) : hiddenText
  return {
    user_id: reader_user_id,
    device,
    title: group === undefined ? sender : (scene.groupNames.get(group) ?? String(group)),
    body: group === undefined ? text : `${sender}: ${text}`,
    badge: target.unread_total,
    collapse_key: ref.conversation,
    from_user_id: ref.from_user_id,
    session_id: group ?? ref.from_user_id,
    msg_id: ref.msg_id,
    server_msg_id: ref.server_msg_id,
    time,
    expires: time + scene.maxAge_ms,
  }
}

/** What a business wants to be shown (spec 3, push.requested): it is no message, so nobody hides its text. */
const noticeOf = (
  { ref, reader_user_id, device, time }: Trigger,
  { title, body }: coffeechat.event.IPushNotice,
  { unread_total }: PushTarget,
  { maxAge_ms }: PushScene,
): Omit<Notification, 'notification_id'> => ({
  user_id: reader_user_id,
  device,
  title,
  body,
  badge: unread_total,
  collapse_key: ref.conversation,
  from_user_id: 0,
  session_id: 0,
  msg_id: ref.msg_id,
  server_msg_id: 0,
  time,
  expires: time + maxAge_ms,
})
