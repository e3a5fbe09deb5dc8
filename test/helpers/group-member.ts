/** Somebody in groups: talks, reads, changes them, is away and catches up, over whatever client. */
import { setTimeout as pause } from 'node:timers/promises'
import { CIM } from '../../proto/index.js'
import type { BodyOf, CommandName, WritableBodyOf } from '../../schemas/packets.js'
import type { Journal } from './checker.js'
import { type CorrespondentOptions, createCorrespondent } from './correspondent.js'
import { connectWsDevice } from './device.js'
import type { Deed, GroupMessage, PulledBy } from './group-checker.js'

const session_type = CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_GROUP
const { kCIM_ERR_RATE_LIMITED, kCIM_ERR_SERVER_BUSY, kCIM_ERR_SUCCSSE } = CIM.Def.CIMErrorCode
const again_ms = 250
const syncedAtOnce = 50

/** A client that stays online and resends by itself. */
export interface Line {
  readonly user_id: number
  readonly journals: readonly Journal[]
  isOnline(): boolean
  /** Messages that are neither acked nor refused yet. */
  waiting(): number
  send(to: number, text: string): void
  /** Asks until it is answered. Rejects with the ERROR_NOTIFY, where that says no more than that it is refused. */
  ask<Asked extends CommandName, Told extends CommandName>(
    name: Asked,
    body: WritableBodyOf<Asked>,
    answer: Told,
  ): Promise<BodyOf<Told>>
  /** Written once, if it is online. */
  put<Name extends CommandName>(name: Name, body: WritableBodyOf<Name>): void
  away(): void
  back(): void
  stop(): Promise<void>
}

/** Over WebSocket. @param options ports of HTTP */
export function createWsLine(options: CorrespondentOptions): Line {
  const correspondent = createCorrespondent({ ...options, connect: connectWsDevice })
  let stopped = false
  return {
    ...correspondent,
    async ask(name, body, answer) {
      while (!stopped) {
        const device = correspondent.device()
        try {
          if (device !== undefined) return await device.ask(name, body, answer)
        } catch (error) {
          const { result_code } = error as { result_code?: number }
          const mayHelp = [undefined, kCIM_ERR_SERVER_BUSY, kCIM_ERR_RATE_LIMITED].includes(result_code)
          if (!mayHelp) throw error
        }
        await pause(again_ms)
      }
      throw new Error('it has stopped')
    },
    put(name, body) {
      const device = correspondent.device()
      if (device?.isClosed() === false) device.put(name, body)
    },
    async stop() {
      stopped = true
      await correspondent.stop()
    },
  }
}

const changes = {
  disband: ['GROUP_DISBAND_REQ', 'GROUP_DISBAND_RSP', 'group.disbanded'],
  exit: ['GROUP_EXIT_REQ', 'GROUP_EXIT_RSP', 'group.member_left'],
  invite: ['GROUP_INVITE_MEMBER_REQ', 'GROUP_INVITE_MEMBER_RSP', 'group.members_added'],
  kick: ['GROUP_KICK_OUT_MEMBER_REQ', 'GROUP_KICK_OUT_MEMBER_RSP', 'group.members_removed'],
} as const

export interface GroupMember extends Line {
  /** What was answered with SUCCESS. */
  readonly deeds: readonly Deed[]
  /** All that was synced so far, from a cursor that is kept. */
  readonly followed: PulledBy
  /** Resolves with the group's id. */
  create(members: readonly number[]): Promise<number>
  /** Resolves with whether it was answered with SUCCESS. */
  change(operation: keyof typeof changes, group_id: number, members?: readonly number[]): Promise<boolean>
  /** Says that the newest message that it was shown in a group is read; nothing where it was shown none. */
  read(group_id: number): void
  /** Syncs on to the end. */
  catchUp(): Promise<void>
}

/** A page of sync as the checker has it. */
export const messagesOf = ({ msg_list }: Pick<BodyOf<'SYNC_RSP'>, 'msg_list'>): GroupMessage[] =>
  msg_list.map(({ to_session_id, server_msg_id, from_user_id, client_msg_id }) => ({
    group_id: to_session_id,
    msg_id: server_msg_id,
    from: from_user_id,
    client_msg_id,
  }))

export function createGroupMember(line: Line): GroupMember {
  const { user_id } = line
  const deeds: Deed[] = []
  const messages: GroupMessage[] = []
  let cursor = 0
  const did = (group_id: number, notification: string, members: readonly number[]) =>
    void deeds.push({ by: user_id, group_id, notification, members })

  return {
    ...line,
    deeds,
    followed: { user_id, messages },
    async create(members) {
      const body = { user_id, group_name: 'a group', member_id_list: [...members] }
      const made = await line.ask('GROUP_CREATE_REQ', body, 'GROUP_CREATE_RSP')
      if (made.result_code !== kCIM_ERR_SUCCSSE) throw new Error(`no group: ${made.result_code}`)
      const group_id = made.group_info?.group_id ?? 0
      did(group_id, 'group.created', [user_id, ...members])
      return group_id
    },
    async change(operation, group_id, members = []) {
      const [request, response, notification] = changes[operation]
      const body = { user_id, group_id, member_id_list: [...members] }
      const { result_code } = await line.ask(request, body, response)
      if (result_code === kCIM_ERR_SUCCSSE)
        did(group_id, notification, operation === 'exit' ? [user_id] : members)
      return result_code === kCIM_ERR_SUCCSSE
    },
    read(group_id) {
      const entries = line.journals.flatMap((journal) => journal.entries)
      const shown = entries.filter(
        ({ kind, to_session_id }) => kind === 'received' && to_session_id === group_id,
      )
      const newest = shown.sort((a, b) => (b.server_msg_id ?? 0) - (a.server_msg_id ?? 0))[0]
      if (newest !== undefined)
        line.put('MSG_READ_ACK', { user_id, session_id: group_id, msg_id: newest.msg_id, session_type })
    },
    async catchUp() {
      for (let more = true; more; ) {
        const page = await line.ask('SYNC_REQ', { user_id, cursor, limit_count: syncedAtOnce }, 'SYNC_RSP')
        messages.push(...messagesOf(page))
        cursor = page.next_cursor
        more = Boolean(page.has_more)
      }
    },
  }
}
