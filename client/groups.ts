/** Groups: made, joined, managed. Every change is a message of the group too, and a `group` event at its members. */
import { refusal } from './chat-error.js'
import {
  type CIMGroupInfo,
  type CIMGroupUpdateReq,
  ErrorCode,
  type GroupMuteModel,
  type GroupRole,
} from './gen/protocol.js'
import type { Asked, Question, Told } from './wire.js'

export interface GroupMembers {
  readonly members: readonly number[]
  readonly admins: readonly number[]
}

/** What may be changed of a group. */
export type GroupChanges = Partial<Omit<CIMGroupUpdateReq, 'user_id' | 'group_id'>>

/** Each rejects with a ChatError whose result_code is an ErrorCode where the server refuses. */
export interface Groups {
  /** The maker is a member, listed or not. */
  create(members: readonly number[], group_name?: string): Promise<CIMGroupInfo>
  /** Of the groups that this user is in. */
  list(): Promise<readonly number[]>
  info(group_ids: readonly number[]): Promise<readonly CIMGroupInfo[]>
  members(group_id: number): Promise<GroupMembers>
  invite(group_id: number, members: readonly number[]): Promise<void>
  remove(group_id: number, members: readonly number[]): Promise<void>
  leave(group_id: number): Promise<void>
  disband(group_id: number): Promise<void>
  update(group_id: number, changes: GroupChanges): Promise<void>
  setRole(group_id: number, members: readonly number[], role: GroupRole): Promise<void>
  /** Until a time in ms; 0 lifts it. */
  mute(group_id: number, members: readonly number[], mute_until: number): Promise<void>
  muteAll(group_id: number, mute_model: GroupMuteModel): Promise<void>
  transfer(group_id: number, owner_id: number): Promise<void>
}

type Ask = <Name extends Question>(name: Name, body: Asked<Name>) => Promise<Told<Name>>

type Change = {
  [Name in Question]: Told<Name> extends { user_id: number; group_id: number; result_code: number }
    ? Name
    : never
}[Question]

/** The groups of one user. */
export function createGroups(user_id: number, ask: Ask): Groups {
  const judged = <Answer extends { result_code: number }>(name: string, answer: Answer): Answer => {
    if (answer.result_code !== ErrorCode.SUCCESS) throw refusal(name, answer.result_code)
    return answer
  }
  const change = async <Name extends Change>(
    name: Name,
    group_id: number,
    more: Omit<Asked<Name>, 'user_id' | 'group_id'>,
  ): Promise<void> => {
    const answer = await ask(name, { user_id, group_id, ...more } as unknown as Asked<Name>)
    judged(name, answer as unknown as { result_code: number })
  }
  return {
    async create(members, group_name) {
      const answer = await ask('GROUP_CREATE', { user_id, group_name, member_id_list: [...members] })
      return judged('GROUP_CREATE', answer).group_info!
    },
    async list() {
      const { group_version_list } = await ask('GROUP_LIST', { user_id })
      return group_version_list.map(({ group_id }) => group_id)
    },
    async info(group_ids) {
      const group_version_list = group_ids.map((group_id) => ({ group_id, group_version: 0 }))
      return judged('GROUP_INFO', await ask('GROUP_INFO', { user_id, group_version_list })).group_info_list
    },
    async members(group_id) {
      const { member_id_list, admin_id_list } = await ask('GROUP_MEMBER_LIST', { user_id, group_id })
      return { members: member_id_list, admins: admin_id_list }
    },
    invite: (group_id, members) => change('GROUP_INVITE_MEMBER', group_id, { member_id_list: [...members] }),
    remove: (group_id, members) =>
      change('GROUP_KICK_OUT_MEMBER', group_id, { member_id_list: [...members] }),
    leave: (group_id) => change('GROUP_EXIT', group_id, {}),
    disband: (group_id) => change('GROUP_DISBAND', group_id, {}),
    update: (group_id, changes) => change('GROUP_UPDATE', group_id, changes),
    setRole: (group_id, members, role) =>
      change('GROUP_SET_ROLE', group_id, { member_id_list: [...members], role }),
    mute: (group_id, members, mute_until) =>
      change('GROUP_MUTE', group_id, { member_id_list: [...members], mute_until }),
    muteAll: (group_id, mute_model) => change('GROUP_MUTE', group_id, { mute_model }),
    transfer: (group_id, owner_id) => change('GROUP_TRANSFER', group_id, { owner_id }),
  }
}
