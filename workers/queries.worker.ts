/** What a user pulls: the session list, history, the latest id, messages by id, receipts, the timeline (spec 2, "Pulling"). */
import { CIM, coffeechat } from '../proto/index.js'
import { isGroupId, isUserId } from '../schemas/ids.js'
import { commands } from '../schemas/packets.js'
import { topics } from '../schemas/topics.js'
import { answer, errorNotify } from './kit/answers.js'
import { messageInfo } from './kit/message-info.js'
import { fitSessions, smallestSession_bytes } from './kit/session-page.js'
import { defineWorker, reject } from './kit/worker.js'
import type {
  LatestMessage,
  MessageCopy,
  MessageHistory,
  NeverMember,
  SentMessages,
  SessionAsked,
  SessionLists,
  SessionPage,
  SessionsAsked,
} from './ports/queries.js'
import type { MessageReceipts, Receipts } from './ports/receipts.js'
import type { TimelinePage, Timelines } from './ports/timelines.js'

import event = coffeechat.event

const { CIMErrorCode, CIMSessionType } = CIM.Def

/** Settings of schemas/config with these names. */
export interface PullLimits {
  readonly HISTORY_LIMIT_DEFAULT: number
  readonly HISTORY_LIMIT_MAX: number
  /** Of the largest answer. */
  readonly MAX_RESPONSE_BYTES: number
}

export interface QueryPorts {
  readonly sessionLists: SessionLists
  readonly history: MessageHistory
  readonly receipts: Receipts
  readonly sentMessages: SentMessages
  readonly timelines: Timelines
  readonly pullLimits: PullLimits
}

type Query = event.IQueryRequested
type Found<Answer> = ReadonlyMap<Query, Answer>

interface Loaded {
  readonly limits: PullLimits
  /** ms, before anything was read: what changes later is in the next list. */
  readonly now: number
  readonly sessions: Found<SessionPage>
  readonly pages: Found<readonly MessageCopy[]>
  readonly latest: Found<LatestMessage | undefined>
  readonly byIds: Found<readonly MessageCopy[]>
  readonly receipts: Found<MessageReceipts | undefined>
  readonly sent: Found<MessageCopy | undefined>
  readonly timelines: Found<TimelinePage>
  /** What is about a group by who never was a member of it. */
  readonly strangers: ReadonlySet<Query>
}

/** A last message above this comes without msg_data: a list is no place for it. */
const listedContent_bytes = 4_096
/** Header and own fields of the session list's answer, at most. */
const listOverhead_bytes = 64
const beyondTheNewest = Number.MAX_SAFE_INTEGER
/** Messages in an answer to a sync: a page of the largest fits MAX_RESPONSE_BYTES. */
const largestSync = 100

export const queries = defineWorker({
  name: 'queries',
  consumes: topics.requestQuery,
  // Each answer may have MAX_RESPONSE_BYTES.
  eventsAtOnce: 32,
  produces: [topics.gateOutbound],

  async load(asked, ports: QueryPorts): Promise<Loaded> {
    const { sessionLists, history, pullLimits: limits } = ports
    const now = Date.now()
    const open = asked.filter((query) => refusalOf(query, limits) === undefined)
    const strangers = new Set<Query>()
    const [sessions, pages, latest, byIds, receipts, sent, timelines] = await Promise.all([
      find(
        open,
        ({ sessions }) => sessions && sessionsAsked(sessions, limits),
        (each) => sessionLists.pages(each, listedContent_bytes, limits.MAX_RESPONSE_BYTES),
      ),
      find(
        open,
        ({ history }) => history && pageAsked(history, limits),
        (each) => history.pages(each),
        strangers,
      ),
      find(
        open,
        ({ latest }) => latest && sessionOf(latest),
        (each) => history.latest(each),
        strangers,
      ),
      find(
        open,
        ({ by_id }) => by_id && { ...sessionOf(by_id), msg_ids: by_id.msg_id_list ?? [] },
        (each) => history.byIds(each),
        strangers,
      ),
      find(
        open,
        ({ receipts }) => receipts,
        (each) => ports.receipts.of(each),
      ),
      find(
        open,
        ({ sent }) => sent,
        (each) => ports.sentMessages.of(each),
      ),
      find(
        open,
        ({ sync }) =>
          sync && { user_id: sync.user_id, cursor: sync.cursor, limit: sync.limit_count || largestSync },
        (each) => ports.timelines.pages(each),
      ),
    ])
    return { limits, now, sessions, pages, latest, byIds, receipts, sent, timelines, strangers }
  },

  decide(query, loaded) {
    const command = commandOf(query)
    if (command === undefined) return [reject('asks for nothing')]
    const refusal = refusalOf(query, loaded.limits) ?? (loaded.strangers.has(query) ? notMember : undefined)
    if (refusal) return [errorNotify(query.origin, command, refusal.code, refusal.reason)]
    if (query.sessions) return [answerSessions(query, query.sessions, loaded)]
    if (query.history) return [answerHistory(query, query.history, loaded)]
    if (query.latest) return [answerLatest(query, query.latest, loaded)]
    if (query.by_id) return [answerByIds(query, query.by_id, loaded)]
    if (query.receipts) return [answerReceipts(query, query.receipts, loaded)]
    if (query.sent) return [answerSent(query, query.sent, loaded)]
    if (query.sync) return [answerSync(query, query.sync, loaded)]
    return []
  },
})

/** One call for all queries of a kind; none where nobody asks that. Those of strangers are put aside. */
async function find<Asked, Answer>(
  open: readonly Query[],
  askedBy: (query: Query) => Asked | null | undefined,
  read: (asked: readonly Asked[]) => Promise<readonly (Answer | NeverMember)[]>,
  strangers?: Set<Query>,
): Promise<Found<Answer>> {
  const asking: Query[] = []
  const asked: Asked[] = []
  for (const query of open) {
    const each = askedBy(query)
    if (each === null || each === undefined) continue
    asking.push(query)
    asked.push(each)
  }
  if (asked.length === 0) return new Map()
  const answers = await read(asked)
  const found = new Map<Query, Answer>()
  for (const [at, query] of asking.entries()) {
    const given = answers[at] as Answer | NeverMember
    if (given === 'never-member') strangers?.add(query)
    else found.set(query, given)
  }
  return found
}

const sessionOf = (request: { user_id: number; session_id: number }): SessionAsked => ({
  user_id: request.user_id,
  peer_id: request.session_id,
})

const pageAsked = (request: CIM.List.ICIMGetMsgListReq, limits: PullLimits) => ({
  ...sessionOf(request),
  before: request.end_msg_id || beyondTheNewest,
  limit: request.limit_count || limits.HISTORY_LIMIT_DEFAULT,
})

/** One more than the page holds, to know whether there are more. */
function sessionsAsked(request: CIM.List.ICIMRecentContactSessionReq, limits: PullLimits): SessionsAsked {
  return {
    user_id: request.user_id,
    changed_since_s: request.latest_update_time,
    ...(request.before_update_time
      ? { after: { updated_s: request.before_update_time, session_id: request.before_session_id ?? 0 } }
      : {}),
    limit: pageLength(request, limits) + 1,
  }
}

function pageLength(request: CIM.List.ICIMRecentContactSessionReq, limits: PullLimits): number {
  const most = Math.ceil(limits.MAX_RESPONSE_BYTES / smallestSession_bytes)
  return Math.min(request.limit_count || most, most)
}

interface Refusal {
  readonly code: CIM.Def.CIMErrorCode
  readonly reason: string
}

const badRequest = (reason: string): Refusal => ({ code: CIMErrorCode.kCIM_ERR_BAD_REQUEST, reason })

const notMember: Refusal = { code: CIMErrorCode.kCIM_ERR_FORBIDDEN, reason: 'not a member of this group' }

/** Why a query is not served; undefined where it is. */
function refusalOf(query: Query, limits: PullLimits): Refusal | undefined {
  if (query.sync && query.sync.limit_count > largestSync)
    return badRequest(`limit_count is above ${largestSync}`)
  const session = query.history ?? query.latest ?? query.by_id
  if (!session) return undefined
  const isGroup = isGroupId(session.session_id)
  if (!isGroup && !isUserId(session.session_id)) return badRequest('session_id names no user and no group')
  if (isGroup !== (session.session_type === CIMSessionType.kCIM_SESSION_TYPE_GROUP))
    return badRequest('session_type disagrees with session_id')
  if (query.history && query.history.limit_count > limits.HISTORY_LIMIT_MAX)
    return badRequest(`limit_count is above ${limits.HISTORY_LIMIT_MAX}`)
  return undefined
}

function commandOf(query: Query) {
  if (query.sessions) return commands.RECENT_CONTACT_SESSION_REQ
  if (query.history) return commands.MSG_LIST_REQ
  if (query.latest) return commands.GET_LATEST_MSG_ID_REQ
  if (query.by_id) return commands.GET_MSG_BY_ID_REQ
  if (query.receipts) return commands.GET_RECEIPTS_REQ
  if (query.sent) return commands.GET_MSG_BY_ID_REQ
  if (query.sync) return commands.SYNC_REQ
  return undefined
}

function answerSessions(
  query: Query,
  request: CIM.List.ICIMRecentContactSessionReq,
  { sessions, limits, now }: Loaded,
) {
  const page = sessions.get(query) ?? { unread_total: 0, sessions: [] }
  const length = pageLength(request, limits)
  const { list, cut } = fitSessions(
    request.user_id,
    page.sessions.slice(0, length),
    limits.MAX_RESPONSE_BYTES - listOverhead_bytes,
  )
  return answer(query.origin, commands.RECENT_CONTACT_SESSION_RSP, {
    user_id: request.user_id,
    unread_counts: page.unread_total,
    contact_session_list: [...list],
    has_more: cut || page.sessions.length > length,
    server_time: Math.floor(now / 1_000),
  })
}

/** The fields that the three answers about a session repeat. */
const repeated = ({ user_id, session_type, session_id }: CIM.Message.IIMGetLatestMsgIdReq) => ({
  user_id,
  session_type,
  session_id,
})

const infosFor = (user_id: number, copies: readonly MessageCopy[] = []) =>
  copies.map((copy) => messageInfo(user_id, copy))

const answerHistory = (query: Query, request: CIM.List.ICIMGetMsgListReq, { pages }: Loaded) =>
  answer(query.origin, commands.MSG_LIST_RSP, {
    ...repeated(request),
    msg_list: infosFor(request.user_id, pages.get(query)),
  })

function answerLatest(query: Query, request: CIM.Message.IIMGetLatestMsgIdReq, { latest }: Loaded) {
  const found = latest.get(query)
  return answer(query.origin, commands.GET_LATEST_MSG_ID_RSP, {
    ...repeated(request),
    latest_msg_id: found?.msg_id ?? '',
    ...(found ? { server_msg_id: found.server_msg_id } : {}),
  })
}

const answerByIds = (query: Query, request: CIM.Message.IIMGetMsgByIdReq, { byIds }: Loaded) =>
  answer(query.origin, commands.GET_MSG_BY_ID_RSP, {
    ...repeated(request),
    msg_list: infosFor(request.user_id, byIds.get(query)),
  })

const noSuchMessage = (query: Query, command: Parameters<typeof errorNotify>[1]) =>
  errorNotify(query.origin, command, CIMErrorCode.kCIM_ERR_NOT_FOUND, 'no such message of this user')

function answerSent(query: Query, { user_id }: event.ISentMessage, { sent }: Loaded) {
  const found = sent.get(query)
  if (found === undefined) return noSuchMessage(query, commands.GET_MSG_BY_ID_REQ)
  const session_id = found.to_session_id
  return answer(query.origin, commands.GET_MSG_BY_ID_RSP, {
    user_id,
    session_type: sessionTypeOf(session_id),
    session_id,
    msg_list: infosFor(user_id, [found]),
  })
}

const sessionTypeOf = (session_id: number) =>
  isGroupId(session_id) ? CIMSessionType.kCIM_SESSION_TYPE_GROUP : CIMSessionType.kCIM_SESSION_TYPE_SINGLE

function answerReceipts(query: Query, request: CIM.Message.IIMGetReceiptsReq, { receipts }: Loaded) {
  const found = receipts.get(query)
  if (found === undefined) return noSuchMessage(query, commands.GET_RECEIPTS_REQ)
  return answer(query.origin, commands.GET_RECEIPTS_RSP, {
    user_id: request.user_id,
    msg_id: request.msg_id,
    session_type: sessionTypeOf(found.session_id),
    session_id: found.session_id,
    server_msg_id: found.server_msg_id,
    read_user_id: [...found.read],
    received_user_id: [...found.received],
    waiting_user_id: [...found.waiting],
  })
}

function answerSync(query: Query, request: CIM.List.ICIMSyncReq, { timelines }: Loaded) {
  const page = timelines.get(query)
  return answer(query.origin, commands.SYNC_RSP, {
    user_id: request.user_id,
    next_cursor: page?.next_cursor ?? request.cursor,
    has_more: page?.has_more ?? false,
    msg_list: infosFor(request.user_id, page?.messages),
  })
}
