/** What who asked about the org tree is answered: the packet that fits theirs, or JSON for an app server. */
import { CIM, type coffeechat } from '../../proto/index.js'
import type { OrgCall, OrgDiff, OrgFound, OrgPage } from '../../schemas/org-operations.js'
import { commands } from '../../schemas/packets.js'
import type { FoundMember, OrgOutcome, OrgRow } from '../ports/org.js'
import { answer, errorNotify, httpAnswer } from './answers.js'
import { httpRefusal } from './calls.js'

type Requested = coffeechat.event.IOrgRequested

const { kCIM_ERR_FORBIDDEN, kCIM_ERR_NOT_FOUND } = CIM.Def.CIMErrorCode

/** What a question found. */
export type FoundInOrg =
  /** `version` is the tree's; one row more than asked for: there is a next page. */
  | { readonly kind: 'rows'; readonly rows: readonly OrgRow[]; readonly version: number }
  | { readonly kind: 'people'; readonly people: readonly FoundMember[] }
  /** Who asks is not in the tree. */
  | { readonly kind: 'outside' }
  /** The version asked from was never given: the server's data is older than the client's. */
  | { readonly kind: 'future'; readonly version: number }

export const isPacket = ({ command_id }: Requested): boolean =>
  command_id !== null && command_id !== undefined

/** After an import. */
export function answerImport(event: Requested, outcome: OrgOutcome) {
  if (outcome.kind === 'done') return httpAnswer(event.origin, 200, outcome.diff satisfies OrgDiff)
  const { field, message } = outcome.fault
  return httpRefusal(event, 400, 'BAD_REQUEST', `${field}: ${message}`, field)
}

/** To a question, from what was found. */
export function answerOrg(event: Requested, call: OrgCall, found: FoundInOrg) {
  const { origin } = event
  const asked = call.operation === 'search' ? commands.ORG_SEARCH_REQ : commands.ORG_LIST_REQ
  switch (found.kind) {
    case 'outside':
      return errorNotify(origin, asked, kCIM_ERR_FORBIDDEN, 'you are not in the organization')
    case 'future':
      return answerFuture(event, found.version)
    case 'rows':
      return call.operation === 'list' ? answerRows(event, call.arguments, found) : unfit(call)
    case 'people':
      return call.operation === 'search'
        ? answerPeople(event, call.arguments.limit, found.people)
        : unfit(call)
  }
}

function unfit({ operation }: OrgCall): never {
  throw new TypeError(`not what ${operation} asks for`)
}

function answerFuture(event: Requested, version: number) {
  const reason = `the newest version is ${version}: forget what you have, and ask from 0`
  if (isPacket(event)) return errorNotify(event.origin, commands.ORG_LIST_REQ, kCIM_ERR_NOT_FOUND, reason)
  return httpRefusal(event, 400, 'BAD_REQUEST', `version: ${reason}`, 'version')
}

function answerRows(
  event: Requested,
  { version, limit }: { readonly version: number; readonly limit: number },
  found: { readonly rows: readonly OrgRow[]; readonly version: number },
) {
  const page = found.rows.slice(0, limit)
  const has_more = found.rows.length > limit
  const last = page.at(-1)?.version ?? version
  // From 0 removed rows are left out: the last version may be one of theirs.
  const head = { version: has_more ? last : Math.max(last, found.version), has_more }
  const departments = page.filter((row) => row.kind === 'department')
  const members = page.filter((row) => row.kind === 'member')
  if (!isPacket(event))
    return httpAnswer(event.origin, 200, {
      ...head,
      departments: departments.map(({ kind: _, ...row }) => row),
      members: members.map(({ kind: _, user_id, ...row }) => ({ user_id: String(user_id), ...row })),
    } satisfies OrgPage)
  return answer(event.origin, commands.ORG_LIST_RSP, {
    user_id: event.origin.user_id,
    ...head,
    department_list: departments.map(departmentInfo),
    member_list: members.map(memberInfo),
  })
}

const departmentInfo = ({
  department_id,
  version,
  removed,
  parent_id,
  name,
}: Extract<OrgRow, { kind: 'department' }>): CIM.Org.ICIMOrgDepartment => ({
  department_id,
  version,
  removed,
  ...(removed ? {} : { name }),
  ...(removed || parent_id === null ? {} : { parent_id }),
})

const memberInfo = ({
  user_id,
  department_id,
  version,
  removed,
  name,
  title,
}: Extract<OrgRow, { kind: 'member' }>): CIM.Org.ICIMOrgMember => ({
  user_id,
  department_id,
  version,
  removed,
  ...(removed ? {} : { name }),
  ...(removed || title === '' ? {} : { title }),
})

function answerPeople(event: Requested, limit: number, people: readonly FoundMember[]) {
  const page = people.slice(0, limit)
  const has_more = people.length > limit
  if (!isPacket(event))
    return httpAnswer(event.origin, 200, {
      members: page.map((each) => ({ ...each, user_id: String(each.user_id) })),
      has_more,
    } satisfies OrgFound)
  return answer(event.origin, commands.ORG_SEARCH_RSP, {
    user_id: event.origin.user_id,
    has_more,
    member_list: page.map(({ title, ...each }) => ({
      ...each,
      removed: false,
      ...(title === '' ? {} : { title }),
    })),
  })
}
