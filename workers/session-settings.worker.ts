/** A user pins, mutes, deletes or annotates a session: stored, answered, and told to the user's other devices (spec 2, "Session settings"). */
import { CIM, type coffeechat } from '../proto/index.js'
import { commands } from '../schemas/packets.js'
import { topics } from '../schemas/topics.js'
import { answer } from './kit/answers.js'
import { notify } from './kit/notify.js'
import { defineWorker, type Place, save } from './kit/worker.js'
import type { Presence, PresentDevice } from './ports/presence.js'
import type { SessionChange, SessionChanges, SessionSettings } from './ports/session-changes.js'

type Requested = coffeechat.event.ISessionRequested

const { CIMErrorCode } = CIM.Def

interface Ports {
  readonly sessionChanges: SessionChanges
  readonly presence: Presence
}

/** A change on its way into the tables. */
interface Row extends SessionChange {
  readonly origin: coffeechat.event.IOrigin
}

interface Saved {
  /** Undefined: there is no such session. */
  readonly settings: SessionSettings | undefined
  readonly devices: readonly PresentDevice[]
}

export const sessionSettings = defineWorker({
  name: 'session-settings',
  consumes: topics.requestSession,
  produces: [topics.gateOutbound],

  decide: (request: Requested, _nothing, place) => [save(rowOf(request, place))],

  save: saveAll,

  // A repeat tells it again: the first worker may have died between COMMIT and publishing.
  saved(row: Row, { settings, devices }: Saved) {
    const session = { user_id: row.user_id, session_type: row.session_type, session_id: row.session_id }
    if (settings === undefined) {
      const result_code = CIMErrorCode.kCIM_ERR_NOT_FOUND
      return [answer(row.origin, commands.SESSION_UPDATE_RSP, { ...session, result_code })]
    }
    const body = { ...session, settings: settingsBody(settings) }
    const others = devices.filter((device) => !isOrigin(device, row.origin))
    return [
      answer(row.origin, commands.SESSION_UPDATE_RSP, {
        ...body,
        result_code: CIMErrorCode.kCIM_ERR_SUCCSSE,
      }),
      ...notify(others, commands.SESSION_UPDATE_NOTIFY, body),
    ]
  },
})

const rowOf = ({ origin, update }: Requested, { appended, offset }: Place): Row => ({
  origin,
  user_id: update.user_id,
  session_type: update.session_type,
  session_id: update.session_id,
  pinned: update.is_pinned ?? undefined,
  muted: update.is_muted ?? undefined,
  session_status: update.session_status ?? undefined,
  draft: update.draft ?? undefined,
  extend_data: update.extend_data ?? undefined,
  appended,
  offset,
})

/** Presence is read after COMMIT: who comes online later finds the settings in their list. */
async function saveAll(rows: readonly Row[], { sessionChanges, presence }: Ports): Promise<readonly Saved[]> {
  const changed = await sessionChanges.apply(rows)
  const present = await presence.of([...new Set(rows.map(({ user_id }) => user_id))])
  return rows.map(({ user_id }, at) => ({ settings: changed[at], devices: present.get(user_id) ?? [] }))
}

const settingsBody = (settings: SessionSettings): CIM.List.ICIMSessionSettings => ({
  session_status: settings.session_status,
  is_pinned: settings.pinned,
  is_muted: settings.muted,
  ...(settings.draft === null ? {} : { draft: settings.draft }),
  ...(settings.extend_data === null ? {} : { extend_data: settings.extend_data }),
  updated_time: settings.updated_s,
})

const isOrigin = (device: PresentDevice, origin: coffeechat.event.IOrigin): boolean =>
  device.gate_id === origin.gate_id &&
  device.gate_epoch === origin.gate_epoch &&
  device.connection_id === origin.connection_id
