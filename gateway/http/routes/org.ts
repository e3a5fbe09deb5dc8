/** The org tree, for app servers that own it (spec 4). */
import { z } from 'zod'
import {
  departmentId,
  departmentName,
  orgDiff,
  orgFound,
  orgLimits,
  orgMemberName,
  orgPage,
  orgQuery,
  orgSearchLimit,
  orgTitle,
} from '../../../schemas/org-operations.js'
import { pageLimit, userId } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const defaultRows = 100
const about = (summary: string) => ({ tags: ['org'], summary })

const tree = z.object({
  departments: z
    .array(
      z.object({
        department_id: departmentId.meta({ examples: ['sales'] }),
        parent_id: departmentId.nullish().describe('one department, the root, has none'),
        name: departmentName,
      }),
    )
    .max(orgLimits.departments),
  members: z
    .array(
      z.object({
        user_id: userId,
        department_id: departmentId,
        name: orgMemberName.nullish().describe('without one: the nick name of now'),
        title: orgTitle.nullish(),
      }),
    )
    .max(orgLimits.members)
    .describe('a user may be in several departments'),
  allow_empty: z
    .boolean()
    .default(false)
    .describe('an empty tree removes everybody, and is refused without this'),
})

type Tree = z.output<typeof tree>

/** null is as good as missing. */
const importOf = ({ departments, members, allow_empty }: Tree) => ({
  departments: departments.map(({ parent_id, ...rest }) => ({
    ...rest,
    ...(parent_id ? { parent_id } : {}),
  })),
  members: members.map(({ name, title, ...rest }) => ({
    ...rest,
    ...(name ? { name } : {}),
    ...(title ? { title } : {}),
  })),
  allow_empty,
})

export function orgRoutes(api: Api, { calls }: Rest): void {
  api.put(
    '/v1/org',
    {
      schema: {
        ...about('Import the org tree: all of it, as it is to be. Answers what that changed'),
        body: tree,
        response: { 200: orgDiff, ...failures },
      },
    },
    async (request) => orgDiff.parse(await calls.onOrg(request, 'import', importOf(request.body))),
  )

  api.get(
    '/v1/org',
    {
      schema: {
        ...about('What changed in the org tree since a version, oldest change first; from 0 all of it'),
        querystring: z.object({
          version: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
          limit: pageLimit.default(defaultRows),
        }),
        response: { 200: orgPage, ...failures },
      },
    },
    async (request) => orgPage.parse(await calls.onOrg(request, 'list', request.query)),
  )

  api.get(
    '/v1/org/members',
    {
      schema: {
        ...about('Find people by name or department: those whose own name has the query in it come first'),
        querystring: z
          .object({
            query: orgQuery.optional().describe('a part of a name or of a department’s, in whatever case'),
            department_id: departmentId.optional().describe('in this department and all below it'),
            limit: pageLimit.default(orgSearchLimit.default),
          })
          .refine(({ query, department_id }) => query !== undefined || department_id !== undefined, {
            message: 'a query or a department_id',
            path: ['query'],
          }),
        response: { 200: orgFound, ...failures },
      },
    },
    async (request) => orgFound.parse(await calls.onOrg(request, 'search', request.query)),
  )
}
