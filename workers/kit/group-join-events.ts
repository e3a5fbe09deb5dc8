/** Applications and invitations, told to the devices of those whom they concern. */
import { CIM } from '../../proto/index.js'
import { commands } from '../../schemas/packets.js'
import type { GroupOutcome, JoinNews, JoinRequest } from '../ports/groups.js'
import type { PresentDevice } from '../ports/presence.js'
import type { Asked } from './group-answers.js'
import { joinInfo } from './group-shown.js'
import { notify } from './notify.js'

const { kCIM_GROUP_JOIN_KIND_APPLICATION } = CIM.Group.CIMGroupJoinKind

const newsOf = (outcome: GroupOutcome): JoinNews | undefined =>
  outcome.kind === 'asked' || outcome.kind === 'changed' ? outcome.joins : undefined

/** The owner and admins hear of applications; who has invited, of the answer. */
const concerned = ({ user_id, from_user_id, kind }: JoinRequest, admins: readonly number[]) =>
  kind === kCIM_GROUP_JOIN_KIND_APPLICATION ? [user_id, ...admins] : [user_id, from_user_id]

/** Whose devices are to hear of it. */
export const usersToAsk = (outcome: GroupOutcome): readonly number[] => {
  const { requests = [], admins = [] } = newsOf(outcome) ?? {}
  return [...new Set(requests.flatMap((each) => concerned(each, admins)))]
}

/** Who did it: an app server speaks for who applies or answers, else for the owner. */
const doer = ({ event, call }: Asked, owner_id: number): number =>
  event.origin.user_id || ('user_id' in call.arguments ? call.arguments.user_id : owner_id)

/** GROUP_JOIN_NOTIFY to those of these devices whom it concerns, each with what concerns its user. */
export function tellJoins(asked: Asked, outcome: GroupOutcome, devices: readonly PresentDevice[]) {
  const news = newsOf(outcome)
  if (news === undefined || news.requests.length === 0 || outcome.kind === 'refused') return []
  const { group_id, owner_id } = (outcome as { group: { group_id: number; owner_id: number } }).group
  const user_id = doer(asked, owner_id)
  // Who hears of the same is told in one packet: the admins of all, each of the invited of their own.
  const packets = new Map<string, { about: JoinRequest[]; to: PresentDevice[] }>()
  for (const device of devices) {
    const about = news.requests.filter((each) => concerned(each, news.admins).includes(device.user_id))
    if (about.length === 0) continue
    const key = about.map((each) => each.user_id).join()
    const packet = packets.get(key) ?? { about, to: [] }
    packet.to.push(device)
    packets.set(key, packet)
  }
  return [...packets.values()].flatMap(({ about, to }) =>
    notify(to, commands.GROUP_JOIN_NOTIFY, { user_id, group_id, join_list: about.map(joinInfo) }),
  )
}
