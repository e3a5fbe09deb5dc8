/**
 * How one login is written in Redis, and how it is named in the set of its gate's logins. The logins of a user are
 * lines of one string. A line is an entry in JSON; after tabs may stand two lists, the entries that it replaced and
 * those that had ended, so that a login which is repeated gets the answer of the first time.
 */
import { deviceKey, parseDeviceKey } from '../../schemas/ids.js'
import type { PresentDevice } from '../../workers/ports/presence.js'

/** Short names: many of these lie in memory, and a script reads d, g, e and n. */
interface Entry {
  /** deviceKey */
  readonly d: string
  readonly g: string
  readonly e: number
  readonly c: number
  readonly n: number
  /** since, ms */
  readonly t: number
  /** 0 from the login; else the time (ms) of its latest registration by the gate */
  readonly s: number
  /** Of a login that was gone, and was brought back by a registration. */
  readonly r?: 1
  readonly v?: string
}

/** The entry of a login, or, with a stamp, of a registration that finds it gone. */
export const entryText = (device: PresentDevice, stamp: number): string => {
  const entry: Entry = {
    d: deviceKey(device.device),
    g: device.gate_id,
    e: device.gate_epoch,
    c: device.connection_id,
    n: device.login_number,
    t: device.since,
    s: stamp,
    ...(stamp > 0 ? { r: 1 } : {}),
    ...(device.client_version === undefined ? {} : { v: device.client_version }),
  }
  return JSON.stringify(entry)
}

/** A login as Redis has it; its stamp tells its registrations apart. */
export type StampedDevice = PresentDevice & { readonly stamp: number; readonly isReturned?: true }

const stampedDevice = (userId: number, entry: Entry): StampedDevice => ({
  user_id: userId,
  device: parseDeviceKey(entry.d),
  gate_id: entry.g,
  gate_epoch: entry.e,
  connection_id: entry.c,
  login_number: entry.n,
  since: entry.t,
  stamp: entry.s,
  ...(entry.r === undefined ? {} : { isReturned: true }),
  ...(entry.v === undefined ? {} : { client_version: entry.v }),
})

/** The reverse of entryText. */
export const parseEntry = (userId: number, text: string): StampedDevice =>
  stampedDevice(userId, JSON.parse(text) as Entry)

/** All logins of a user. */
export const parseEntries = (userId: number, lines: string): StampedDevice[] =>
  lines.split('\n').map((line) => {
    const end = line.indexOf('\t')
    return parseEntry(userId, end < 0 ? line : line.slice(0, end))
  })

/** What stands after an entry: what it replaced, and what had ended. */
export function parseBelow(
  userId: number,
  below: string,
): { replaced: StampedDevice[]; ended: StampedDevice[] } {
  if (below === '') return { replaced: [], ended: [] }
  const [replaced = [], ended = []] = below
    .split('\t')
    .map((list) => (JSON.parse(list) as Entry[]).map((entry) => stampedDevice(userId, entry)))
  return { replaced, ended }
}

/** A login in the set of its gate's logins. */
export interface Membership {
  readonly user_id: number
  readonly login_number: number
  readonly stamp: number
  readonly device: PresentDevice['device']
}

/**
 * The stamp is part of the name: a registration adds a member of its own, so that a sweep which is still
 * busy with the former one can remove that without touching this.
 */
export const memberName = ({ user_id, login_number, stamp, device }: Membership): string =>
  `${user_id}|${login_number}|${stamp}|${deviceKey(device)}`

/** The reverse of memberName; a device_id may have bars in it. */
export function parseMember(name: string): Membership {
  const [userId = '', loginNumber = '', stamp = ''] = name.split('|', 3)
  const device = name.slice(userId.length + loginNumber.length + stamp.length + 3)
  return {
    user_id: Number(userId),
    login_number: Number(loginNumber),
    stamp: Number(stamp),
    device: parseDeviceKey(device),
  }
}
