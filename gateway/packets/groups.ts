/** The commands and questions about groups (spec 1, 0x0501 … 0x0530): checked here, served by the groups worker. */
import { groupOperations } from '../../schemas/group-operations.js'
import { isGroupId } from '../../schemas/ids.js'
import { topics } from '../../schemas/topics.js'
import { askingOn } from './asking.js'
import type { Verb } from './verb.js'

const asking = askingOn(topics.requestGroup, groupOperations, (given) =>
  'group_id' in given && !isGroupId(Number(given.group_id)) ? 'group_id is not that of a group' : undefined,
)

/** What was not sent is null in a packet, and absent in an event. */
const sent = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as {
    [Field in keyof T]?: NonNullable<T[Field]>
  }

const oneGroup = ({ group_id }: { readonly group_id: number }) => ({ group_id })
const groupAndMembers = (body: { readonly group_id: number; readonly member_id_list: number[] }) => ({
  group_id: body.group_id,
  members: body.member_id_list,
})

/** Of one's own a page is enough: what is answered leaves the list. */
const ownJoins_max = 1_000
const ownJoins = asking('GROUP_JOIN_LIST_REQ', 'own-joins', ({ user_id }) => ({
  user_id,
  after: 0,
  limit: ownJoins_max,
}))
const joinsOfGroup = asking('GROUP_JOIN_LIST_REQ', 'joins', ({ group_id }) => ({
  group_id: group_id as number,
  after: 0,
}))

const joinList: Verb<'GROUP_JOIN_LIST_REQ'> = (gate, connection, seq, body) =>
  (body.group_id === null ? ownJoins : joinsOfGroup)(gate, connection, seq, body)

export const groupVerbs = {
  GROUP_CREATE_REQ: asking('GROUP_CREATE_REQ', 'create', ({ user_id, member_id_list, ...profile }) => ({
    owner_id: user_id,
    members: member_id_list,
    ...sent(profile),
  })),
  GROUP_DISBAND_REQ: asking('GROUP_DISBAND_REQ', 'disband', oneGroup),
  GROUP_EXIT_REQ: asking('GROUP_EXIT_REQ', 'exit', oneGroup),
  GROUP_LIST_REQ: asking('GROUP_LIST_REQ', 'list', ({ user_id }) => ({ user_id })),
  GROUP_INFO_REQ: asking('GROUP_INFO_REQ', 'info', ({ group_version_list }) => ({
    groups: group_version_list.map(({ group_id, group_version }) => ({ group_id, group_version })),
  })),
  GROUP_INVITE_MEMBER_REQ: asking('GROUP_INVITE_MEMBER_REQ', 'invite', groupAndMembers),
  GROUP_KICK_OUT_MEMBER_REQ: asking('GROUP_KICK_OUT_MEMBER_REQ', 'kick', groupAndMembers),
  GROUP_MEMBER_LIST_REQ: asking('GROUP_MEMBER_LIST_REQ', 'members', ({ group_id }) => ({
    group_id,
    after: 0,
  })),
  GROUP_UPDATE_REQ: asking('GROUP_UPDATE_REQ', 'update', ({ group_id, user_id: _, ...change }) => ({
    group_id,
    change: sent(change),
  })),
  GROUP_SET_ROLE_REQ: asking('GROUP_SET_ROLE_REQ', 'set-role', (body) => ({
    ...groupAndMembers(body),
    role: body.role as 0 | 1, // OWNER is refused with the other faults
  })),
  GROUP_MUTE_REQ: asking(
    'GROUP_MUTE_REQ',
    'mute',
    ({ group_id, member_id_list, mute_model, mute_until }) => ({
      group_id,
      members: member_id_list,
      ...sent({ mute_model, mute_until }),
    }),
  ),
  GROUP_TRANSFER_REQ: asking('GROUP_TRANSFER_REQ', 'transfer', ({ group_id, owner_id }) => ({
    group_id,
    owner_id,
  })),
  GROUP_APPLY_REQ: asking('GROUP_APPLY_REQ', 'apply', ({ user_id, group_id, join_text }) => ({
    user_id,
    group_id,
    ...sent({ join_text }),
  })),
  GROUP_ANSWER_APPLY_REQ: asking('GROUP_ANSWER_APPLY_REQ', 'answer-apply', (body) => ({
    ...groupAndMembers(body),
    agree: body.agree,
  })),
  GROUP_ANSWER_INVITE_REQ: asking(
    'GROUP_ANSWER_INVITE_REQ',
    'answer-invite',
    ({ user_id, group_id, agree }) => ({ user_id, group_id, agree }),
  ),
  GROUP_JOIN_LIST_REQ: joinList,
} as const
