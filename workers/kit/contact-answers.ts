/** What who asked about contacts is answered: the packet that fits theirs, or JSON for an app server. */
import { CIM, coffeechat } from '../../proto/index.js'
import type { ContactAnswer, ContactCall } from '../../schemas/contact-operations.js'
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import type { Contact, ContactOutcome, ListedUser } from '../ports/contacts.js'
import type { PresentDevice } from '../ports/presence.js'
import { answer, httpAnswer, type Writable } from './answers.js'
import { notify } from './notify.js'
import { type EmitOf, emit } from './worker.js'

import event = coffeechat.event

const { CIMErrorCode } = CIM.Def

/** An event with its operation. */
export interface AskedOfContacts {
  readonly event: event.IContactRequested
  readonly call: ContactCall
}

/** What a question found. */
export interface FoundContacts {
  readonly contacts: readonly Contact[]
  readonly users: readonly ListedUser[]
}

const isPacket = ({ event }: AskedOfContacts): boolean =>
  event.command_id !== null && event.command_id !== undefined

/** The response to each command that changes contacts. */
const responses: {
  readonly [Operation in ContactCall['operation']]?: Writable<CIM.Friend.ICIMContactChangeRsp>
} = {
  apply: commands.FRIEND_APPLY_RSP,
  answer: commands.FRIEND_ANSWER_RSP,
  remark: commands.FRIEND_REMARK_RSP,
  delete: commands.FRIEND_DELETE_RSP,
  block: commands.BLOCK_RSP,
}

const statusOf: Readonly<Record<number, number>> = {
  [CIMErrorCode.kCIM_ERR_BAD_REQUEST]: 400,
  [CIMErrorCode.kCIM_ERR_FORBIDDEN]: 403,
  [CIMErrorCode.kCIM_ERR_NOT_FOUND]: 404,
}

/** After a change was asked for. */
export function answerContacts(asked: AskedOfContacts, outcome: ContactOutcome) {
  const { call, event } = asked
  const { origin } = event
  const response = responses[call.operation]
  if (isPacket(asked) && response !== undefined && 'peer_id' in call.arguments) {
    const { user_id, peer_id } = call.arguments
    if (outcome.kind === 'refused')
      return answer(origin, response, { user_id, peer_id, result_code: outcome.refusal.code })
    const [contact] = outcome.contacts
    return answer(origin, response, {
      user_id,
      peer_id,
      result_code: CIMErrorCode.kCIM_ERR_SUCCSSE,
      ...(contact === undefined ? {} : { contact: withUser(contact) }),
    })
  }
  if (outcome.kind === 'done')
    return httpAnswer(origin, 200, shown({ contacts: outcome.contacts.map(contactShown) }))
  const { code, reason } = outcome.refusal
  const error = { code: CIMErrorCode[code].replace('kCIM_ERR_', ''), message: reason }
  return httpAnswer(origin, statusOf[code] ?? 500, { error })
}

/** To a question, from what was found. */
export function answerFound(asked: AskedOfContacts, { contacts, users }: FoundContacts) {
  const { call, event } = asked
  const { origin } = event
  if (call.operation === 'users')
    return answer(origin, commands.USER_LIST_RSP, {
      user_id: call.arguments.user_id,
      user_info_list: users.map(userInfo),
    })
  if (call.operation !== 'list') throw new TypeError(`${call.operation} is no question`)
  const { user_id, limit } = call.arguments
  const page = contacts.slice(0, limit)
  const version = page.at(-1)?.version ?? call.arguments.version
  const has_more = contacts.length > limit
  if (!isPacket(asked))
    return httpAnswer(origin, 200, shown({ contacts: page.map(contactShown), version, has_more }))
  return answer(origin, commands.CONTACT_LIST_RSP, {
    user_id,
    version,
    has_more,
    contact_list: page.map(withUser),
  })
}

/** CONTACT_CHANGED_NOTIFY: each changed row to the devices of whose list it is in. */
export function tellOwners(
  { event }: AskedOfContacts,
  outcome: ContactOutcome,
  devices: readonly PresentDevice[],
) {
  if (outcome.kind === 'refused') return []
  return outcome.changed.flatMap((contact) =>
    notify(
      devices.filter(({ user_id }) => user_id === contact.user_id),
      commands.CONTACT_CHANGED_NOTIFY,
      { user_id: event.origin.user_id, contact: contactInfo(contact) },
    ),
  )
}

/** What businesses hear of it: each row that was changed. */
export const reportContacts = (outcome: ContactOutcome): EmitOf<typeof topics.contactChanged>[] =>
  outcome.kind === 'refused'
    ? []
    : outcome.changed.map(({ user_id, peer_id, state, blocked, remark, greeting, version, updated }) =>
        emit(topics.contactChanged, {
          user_id: String(user_id),
          peer_id: String(peer_id),
          state,
          blocked,
          remark,
          greeting,
          version,
          time: updated,
        }),
      )

const shown = (body: ContactAnswer): ContactAnswer => body

/** What the row says, as packets have it. */
const contactInfo = (contact: Contact): CIM.Friend.ICIMContactInfo => ({
  user_id: contact.peer_id,
  state: contact.state,
  blocked: contact.blocked,
  version: contact.version,
  remark: contact.remark,
  greeting: contact.greeting,
  update_time: Math.floor(contact.updated / 1_000),
})

const withUser = (contact: Contact): CIM.Friend.ICIMContactInfo => ({
  ...contactInfo(contact),
  user_info: userInfo({ ...contact, user_id: contact.peer_id }),
})

const userInfo = ({ user_id, nick_name, avatar_url, attach_info }: ListedUser): CIM.Def.ICIMUserInfo => ({
  user_id,
  nick_name,
  ...(avatar_url === null ? {} : { avatar_url }),
  ...(attach_info === null ? {} : { attach_info }),
})

const contactShown = (contact: Contact) => ({
  user_id: String(contact.peer_id),
  nick_name: contact.nick_name,
  state: contact.state,
  blocked: contact.blocked,
  remark: contact.remark,
  version: contact.version,
  update_time: contact.updated,
})
