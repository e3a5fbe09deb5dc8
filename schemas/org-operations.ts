/**
 * The import of the org tree and the questions about it: operation name → its arguments, as they travel on request.org
 * (spec 1, 0x0620 … 0x0623; spec 4). Packets and the REST API write them, the org worker reads them.
 */
import { z } from 'zod'
import { fieldLimits } from './fields.js'
import { isUserId } from './ids.js'
import { text } from './user-operations.js'

/** The largest tree that an import may have. A user in two departments counts twice. */
export const orgLimits = { departments: 2_000, members: 10_000 } as const

/** Rows on a page of the tree, and what a client gets that asks for 0. */
export const orgPageLimit = 500
/** People that a search finds at most, and where a client asks for 0. */
export const orgSearchLimit = { max: 100, default: 20 } as const

export const departmentId = text('characters', fieldLimits.department_id.max, fieldLimits.department_id.min)
export const departmentName = text(
  'characters',
  fieldLimits.department_name.max,
  fieldLimits.department_name.min,
)
export const orgMemberName = text(
  'characters',
  fieldLimits.org_member_name.max,
  fieldLimits.org_member_name.min,
)
export const orgTitle = text('characters', fieldLimits.org_title.max)

/** A part of a name, not only spaces. */
export const orgQuery = text('characters', fieldLimits.org_query.max).refine(
  (query) => query.trim() !== '',
  'must not be empty',
)

const department = z.object({
  department_id: departmentId,
  parent_id: departmentId.optional(),
  name: departmentName,
})

const member = z.object({
  user_id: z.number().refine(isUserId, 'not a user id'),
  department_id: departmentId,
  name: orgMemberName.optional(),
  title: orgTitle.optional(),
})

/** The arguments of each operation. */
export const orgOperations = {
  /** By app servers only: the whole tree, as it is to be. */
  import: z.object({
    departments: z.array(department).max(orgLimits.departments),
    members: z.array(member).max(orgLimits.members),
    /** An empty tree is meant as such. */
    allow_empty: z.boolean(),
  }),
  /** What changed after a version. */
  list: z.object({
    version: z.number().int().min(0),
    limit: z.number().int().min(1).max(orgPageLimit),
  }),
  /** People, by name or department. */
  search: z
    .object({
      query: orgQuery.optional(),
      department_id: departmentId.optional(),
      limit: z.number().int().min(1).max(orgSearchLimit.max),
    })
    .refine(({ query, department_id }) => query !== undefined || department_id !== undefined, {
      message: 'a query or a department_id',
      path: ['query'],
    }),
} as const

export type OrgOperation = keyof typeof orgOperations
export type OrgArgumentsOf<O extends OrgOperation> = z.output<(typeof orgOperations)[O]>

/** An operation with its arguments, checked. */
export type OrgCall = { [O in OrgOperation]: { operation: O; arguments: OrgArgumentsOf<O> } }[OrgOperation]

/**
 * Reads an operation from an event.
 * @throws Error where there is no such operation, or the arguments are not its own
 */
export function parseOrgCall(operation: string, json: string): OrgCall {
  if (!Object.hasOwn(orgOperations, operation)) throw new Error(`no such operation: ${operation}`)
  const schema: z.ZodType = orgOperations[operation as OrgOperation]
  return { operation, arguments: schema.parse(JSON.parse(json)) } as OrgCall
}

const version = z.number().describe('rises with each change of the tree')
const removed = z.boolean().describe('gone since the version asked from; never there when asked from 0')

/** A department as the REST API shows it. */
const answeredDepartment = z.object({
  department_id: z.string(),
  parent_id: z.string().nullable().describe('null: the root'),
  name: z.string(),
  version,
  removed,
})

/** A user in a department. */
const answeredMember = z.object({
  user_id: z.string(),
  department_id: z.string(),
  name: z.string(),
  title: z.string(),
  version,
  removed,
})

/** A page of the tree. */
export const orgPage = z.object({
  version: z.number().describe('to read on from, now or later'),
  has_more: z.boolean().describe('the tree is whole once this is false'),
  departments: z.array(answeredDepartment),
  members: z.array(answeredMember),
})

/** What a search found. */
export const orgFound = z.object({
  members: z.array(answeredMember.omit({ removed: true }).extend({ department_name: z.string() })),
  has_more: z.boolean().describe('there are more: narrow it down'),
})

const inDepartment = z.object({ user_id: z.string(), department_id: z.string() })
const fromTo = { from: z.string(), to: z.string() }

/** What an import changed; what is as it was is in none of the lists. */
export const orgDiff = z.object({
  version: z.number().describe('of the tree from now on; the same as before where nothing changed'),
  departments: z.object({
    added: z.array(z.string()),
    moved: z.array(
      z.object({
        department_id: z.string(),
        from_parent_id: z.string().nullable(),
        to_parent_id: z.string().nullable(),
      }),
    ),
    renamed: z.array(z.object({ department_id: z.string(), ...fromTo })),
    removed: z.array(z.string()),
  }),
  members: z.object({
    added: z.array(inDepartment).describe('who is in one department more than before'),
    moved: z.array(
      z.object({ user_id: z.string(), from_department_id: z.string(), to_department_id: z.string() }),
    ),
    renamed: z.array(inDepartment.extend(fromTo)),
    retitled: z.array(inDepartment.extend(fromTo)),
    removed: z.array(inDepartment).describe('who is in one department less than before'),
  }),
})
export type OrgPage = z.output<typeof orgPage>
export type OrgFound = z.output<typeof orgFound>
export type OrgDiff = z.output<typeof orgDiff>
