/** The org tree (spec 1, 0x0620 … 0x0623): checked here, served by the org worker. */
import { orgOperations, orgPageLimit, orgSearchLimit } from '../../schemas/org-operations.js'
import { topics } from '../../schemas/topics.js'
import { askingOn } from './asking.js'

const asking = askingOn(topics.requestOrg, orgOperations)

export const orgVerbs = {
  ORG_LIST_REQ: asking('ORG_LIST_REQ', 'list', ({ version, limit_count }) => ({
    version,
    limit: limit_count || orgPageLimit,
  })),
  ORG_SEARCH_REQ: asking('ORG_SEARCH_REQ', 'search', ({ query, department_id, limit_count }) => ({
    ...(query === null ? {} : { query }),
    ...(department_id === null ? {} : { department_id }),
    limit: limit_count || orgSearchLimit.default,
  })),
} as const
