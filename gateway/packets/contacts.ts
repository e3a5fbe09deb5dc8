/** Friends, blocklists and the list of users (spec 1, 0x0601 … 0x0615): checked here, served by the contacts worker. */
import { contactOperations, contactPageLimit } from '../../schemas/contact-operations.js'
import { topics } from '../../schemas/topics.js'
import { askingOn } from './asking.js'

const asking = askingOn(topics.requestContact, contactOperations)

const pair = ({ user_id, peer_id }: { readonly user_id: number; readonly peer_id: number }) => ({
  user_id,
  peer_id,
})

export const contactVerbs = {
  USER_LIST_REQ: asking('USER_LIST_REQ', 'users', ({ user_id }) => ({ user_id })),
  FRIEND_APPLY_REQ: asking('FRIEND_APPLY_REQ', 'apply', ({ greeting, ...body }) => ({
    ...pair(body),
    ...(greeting === null ? {} : { greeting }),
  })),
  FRIEND_ANSWER_REQ: asking('FRIEND_ANSWER_REQ', 'answer', ({ accept, ...body }) => ({
    ...pair(body),
    accept,
  })),
  FRIEND_REMARK_REQ: asking('FRIEND_REMARK_REQ', 'remark', ({ remark, ...body }) => ({
    ...pair(body),
    remark,
  })),
  FRIEND_DELETE_REQ: asking('FRIEND_DELETE_REQ', 'delete', pair),
  CONTACT_LIST_REQ: asking('CONTACT_LIST_REQ', 'list', ({ user_id, version, limit_count }) => ({
    user_id,
    version,
    limit: limit_count || contactPageLimit,
  })),
  BLOCK_REQ: asking('BLOCK_REQ', 'block', ({ blocked, ...body }) => ({ ...pair(body), blocked })),
} as const
