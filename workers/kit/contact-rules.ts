/**
 * What becomes of two users' relation (spec 1, 0x0603 … 0x0614). Pure: a request is judged by what stands in the tables
 * under the locks of both lists. What is so already is planned all the same: the storage sees that nothing changes.
 */
import { CIM } from '../../proto/index.js'
import type { ContactArgumentsOf, ContactChangeCall } from '../../schemas/contact-operations.js'
import type { ContactsState, ContactVerdict, Relation, RelationChange } from '../ports/contacts.js'

const { kCIM_ERR_BAD_REQUEST, kCIM_ERR_FORBIDDEN, kCIM_ERR_NOT_FOUND } = CIM.Def.CIMErrorCode
const {
  kCIM_CONTACT_STATE_ASKED: asked,
  kCIM_CONTACT_STATE_FRIEND: friend,
  kCIM_CONTACT_STATE_NONE: none,
  kCIM_CONTACT_STATE_REQUESTED: requested,
} = CIM.Friend.CIMContactState

/** Two users who may be in each other's lists. */
interface Pair {
  readonly user_id: number
  readonly peer_id: number
  readonly mine: Relation
  readonly theirs: Relation
}

const refused = (code: CIM.Def.CIMErrorCode, reason: string): ContactVerdict => ({
  kind: 'refused',
  refusal: { code, reason },
})

/** New values on the user's side, and on the peer's. */
function planned(pair: Pair, mine: Partial<Relation>, theirs: Partial<Relation> = {}): ContactVerdict {
  const { user_id, peer_id } = pair
  const changes: RelationChange[] = [{ user_id, peer_id, relation: { ...pair.mine, ...mine } }]
  if (Object.keys(theirs).length > 0)
    changes.push({ user_id: peer_id, peer_id: user_id, relation: { ...pair.theirs, ...theirs } })
  return { kind: 'planned', changes }
}

/** Judges a change of contacts. */
export function judgeContact(call: ContactChangeCall, state: ContactsState): ContactVerdict {
  const { user_id } = call.arguments
  const peers =
    call.operation === 'befriend'
      ? call.arguments.friends.map(({ peer_id }) => peer_id)
      : [call.arguments.peer_id]
  if (peers.includes(user_id)) return refused(kCIM_ERR_BAD_REQUEST, 'nobody is a contact of oneself')
  const unknown = [user_id, ...peers].find((user) => !state.users.has(user))
  // A user who was deactivated can still be unblocked and removed.
  if (unknown !== undefined && call.operation !== 'delete' && call.operation !== 'block')
    return refused(kCIM_ERR_NOT_FOUND, `there is no user ${unknown}`)
  if (call.operation === 'befriend') return judgeImport(call.arguments, state)
  const { peer_id } = call.arguments
  const pair: Pair = {
    user_id,
    peer_id,
    mine: state.relation(user_id, peer_id),
    theirs: state.relation(peer_id, user_id),
  }
  switch (call.operation) {
    case 'apply':
      return judgeApplication(pair, call.arguments.greeting ?? '')
    case 'answer':
      return judgeAnswer(pair, call.arguments.accept)
    case 'remark':
      return pair.mine.state === friend
        ? planned(pair, { remark: call.arguments.remark })
        : refused(kCIM_ERR_NOT_FOUND, 'only friends have a remark')
    case 'delete':
      return planned(pair, { state: none, remark: '', greeting: '' }, { state: none, greeting: '' })
    case 'block':
      if (call.arguments.blocked && unknown !== undefined)
        return refused(kCIM_ERR_NOT_FOUND, `there is no user ${unknown}`)
      return planned(pair, { blocked: call.arguments.blocked })
  }
}

/** Who asks whoever has asked them accepts. */
function judgeApplication(pair: Pair, greeting: string): ContactVerdict {
  if (pair.mine.state === friend) return planned(pair, {})
  if (pair.theirs.blocked) return refused(kCIM_ERR_FORBIDDEN, 'they do not want to hear of you')
  if (pair.mine.state === asked) return planned(pair, { state: friend }, { state: friend })
  return planned(pair, { state: requested, greeting }, { state: asked, greeting })
}

function judgeAnswer(pair: Pair, accept: boolean): ContactVerdict {
  const { state } = pair.mine
  if (accept)
    return state === asked || state === friend
      ? planned(pair, { state: friend }, { state: friend })
      : refused(kCIM_ERR_NOT_FOUND, 'they have not asked')
  if (state === friend) return refused(kCIM_ERR_BAD_REQUEST, 'you are friends: delete them instead')
  // A refusal that comes again finds the request gone.
  return state === requested
    ? refused(kCIM_ERR_NOT_FOUND, 'they have not asked')
    : planned(pair, { state: none, greeting: '' }, { state: none, greeting: '' })
}

/** Without a remark the one that there is stays. Who is named twice gets the last one. */
function judgeImport(
  { user_id, friends }: ContactArgumentsOf<'befriend'>,
  state: ContactsState,
): ContactVerdict {
  const remarks = new Map(friends.map(({ peer_id, remark }) => [peer_id, remark]))
  const changes = [...remarks].flatMap(([peer_id, remark]): RelationChange[] => {
    const mine = state.relation(user_id, peer_id)
    const theirs = state.relation(peer_id, user_id)
    return [
      { user_id, peer_id, relation: { ...mine, state: friend, remark: remark ?? mine.remark } },
      { user_id: peer_id, peer_id: user_id, relation: { ...theirs, state: friend } },
    ]
  })
  return { kind: 'planned', changes }
}
