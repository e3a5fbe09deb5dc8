/** The requests of the catalogue: what a gate asks of a worker, and forgets where nobody waits any more. */
import { coffeechat } from '../proto/index.js'
import { conversationOf } from './ids.js'
import { answerBytes } from './records.js'
import { proto, type Topic } from './topic.js'

import event = coffeechat.event

/** The conversation of the group that is changed; of what names no group, who asks. */
function groupRequestKey({ origin, arguments: given }: event.IGroupRequested): string {
  const { group_id } = JSON.parse(given) as { group_id?: number }
  return group_id === undefined ? String(origin.user_id) : conversationOf(origin.user_id, group_id)
}

/** The pair that is changed, so that its changes keep their order; of what names no peer, whose contacts. */
function contactRequestKey({ arguments: given }: event.IContactRequested): string {
  const { user_id, peer_id } = JSON.parse(given) as { user_id: number; peer_id?: number }
  return peer_id === undefined ? String(user_id) : conversationOf(user_id, peer_id)
}

/** All imports have one key, so that they are applied as they came; questions spread, and wait for none of them. */
const orgRequestKey = ({ operation, origin }: event.IOrgRequested): string =>
  operation === 'import' ? operation : String(origin.user_id)

type Request<Name extends string, E> = Pick<
  Topic<Name, E>,
  'name' | 'payload' | 'key' | 'purpose' | 'encode' | 'decode'
> & { readonly partitions?: number }

const kept_ms = 24 * 3_600_000

const request = <const Name extends string, E>(given: Request<Name, E>): Topic<Name, E> => ({
  partitions: 'busy',
  retention_ms: kept_ms,
  maxMessageBytes: answerBytes,
  ...given,
})

export const requestTopics = {
  requestLogin: request<'request.login', event.ILoginRequested>({
    name: 'request.login',
    payload: 'LoginRequested',
    key: ({ origin }) => String(origin.user_id),
    purpose: 'logins and logouts; the offset is the login number',
    ...proto(event.LoginRequested),
  }),
  requestQuery: request<'request.query', event.IQueryRequested>({
    name: 'request.query',
    payload: 'QueryRequested',
    key: ({ origin }) => String(origin.user_id),
    purpose: 'sessions, history, latest id, messages by id, receipts, sync',
    ...proto(event.QueryRequested),
  }),
  requestRead: request<'request.read', event.IReadRequested>({
    name: 'request.read',
    payload: 'ReadRequested',
    key: ({ read }) => conversationOf(read.user_id, read.session_id),
    purpose: 'a user has read a conversation up to a message',
    ...proto(event.ReadRequested),
  }),
  requestSession: request<'request.session', event.ISessionRequested>({
    name: 'request.session',
    payload: 'SessionRequested',
    key: ({ update }) => String(update.user_id),
    purpose: 'a user pins, mutes, deletes or annotates one of their sessions',
    ...proto(event.SessionRequested),
  }),
  requestUser: request<'request.user', event.IUserRequested>({
    name: 'request.user',
    payload: 'UserRequested',
    key: ({ origin }) => String(origin.user_id),
    partitions: 2,
    purpose: "an app server's call about users",
    ...proto(event.UserRequested),
  }),
  requestFile: request<'request.file', event.IFileRequested>({
    name: 'request.file',
    payload: 'FileRequested',
    key: () => null,
    partitions: 2,
    purpose: 'a call about files: who uploaded one, who may see one',
    ...proto(event.FileRequested),
  }),
  requestGroup: request<'request.group', event.IGroupRequested>({
    name: 'request.group',
    payload: 'GroupRequested',
    key: groupRequestKey,
    purpose: 'a command or question about groups',
    ...proto(event.GroupRequested),
  }),
  requestContact: request<'request.contact', event.IContactRequested>({
    name: 'request.contact',
    payload: 'ContactRequested',
    key: contactRequestKey,
    purpose: 'a command or question about friends and blocklists',
    ...proto(event.ContactRequested),
  }),
  requestOrg: request<'request.org', event.IOrgRequested>({
    name: 'request.org',
    payload: 'OrgRequested',
    key: orgRequestKey,
    purpose: 'an import of the org tree, in order, or a question about it',
    ...proto(event.OrgRequested),
  }),
  requestPush: request<'request.push', event.IPushStatusRequested>({
    name: 'request.push',
    payload: 'PushStatusRequested',
    key: () => null,
    partitions: 2,
    purpose: 'an app server asks what became of a push',
    ...proto(event.PushStatusRequested),
  }),
} as const
