/**
 * An imported org tree: what is wrong with it, and what it changes of the one that stands (spec 4, `PUT /v1/org`). Pure.
 */
import type { OrgArgumentsOf } from '../../schemas/org-operations.js'
import type {
  OrgDepartment,
  OrgDifference,
  OrgFault,
  OrgMember,
  OrgState,
  OrgTree,
  OrgVerdict,
} from '../ports/org.js'

export type ImportedOrg = OrgArgumentsOf<'import'>

type Parents = ReadonlyMap<string, string | undefined>

const memberKey = ({ user_id, department_id }: Pick<OrgMember, 'user_id' | 'department_id'>): string =>
  `${user_id}:${department_id}`

/** The first thing that is wrong with a tree, whoever its users are; undefined where nothing is. */
export function faultOf({ departments, members, allow_empty }: ImportedOrg): OrgFault | undefined {
  if (departments.length === 0 && members.length === 0 && !allow_empty)
    return { field: 'departments', message: 'an empty tree removes everybody: say "allow_empty": true too' }
  const parents: Parents = new Map(
    departments.map(({ department_id, parent_id }) => [department_id, parent_id]),
  )
  return faultOfDepartments(departments, parents) ?? faultOfMembers(members, parents)
}

function faultOfDepartments(departments: ImportedOrg['departments'], parents: Parents): OrgFault | undefined {
  const seen = new Set<string>()
  let root: string | undefined
  for (const [at, { department_id, parent_id }] of departments.entries()) {
    if (seen.has(department_id))
      return { field: `departments.${at}.department_id`, message: `${department_id} is there twice` }
    seen.add(department_id)
    const field = `departments.${at}.parent_id`
    if (parent_id !== undefined && !parents.has(parent_id))
      return { field, message: `there is no department ${parent_id}` }
    if (parent_id === undefined && root !== undefined)
      return { field, message: `only one department is the root, and ${root} has no parent either` }
    if (parent_id === undefined) root = department_id
  }
  const inCircle = departmentInCircle(departments, parents)
  return inCircle < 0
    ? undefined
    : { field: `departments.${inCircle}.parent_id`, message: 'the department lies below itself' }
}

/** The place of the first department from which the way up does not end; −1 for none. Each is passed once. */
function departmentInCircle(departments: ImportedOrg['departments'], parents: Parents): number {
  const ends = new Set<string>()
  return departments.findIndex(({ department_id }) => {
    const way = new Set<string>()
    let at: string | undefined = department_id
    while (at !== undefined && !ends.has(at)) {
      if (way.has(at)) return true
      way.add(at)
      at = parents.get(at)
    }
    for (const passed of way) ends.add(passed)
    return false
  })
}

function faultOfMembers(members: ImportedOrg['members'], parents: Parents): OrgFault | undefined {
  const placed = new Set<string>()
  for (const [at, member] of members.entries()) {
    const { user_id, department_id } = member
    if (!parents.has(department_id))
      return { field: `members.${at}.department_id`, message: `there is no department ${department_id}` }
    if (placed.has(memberKey(member)))
      return { field: `members.${at}.user_id`, message: `${user_id} is twice in ${department_id}` }
    placed.add(memberKey(member))
  }
  return undefined
}

/** Judges a tree without a fault: its users have to be there, then it replaces the tree that stands. */
export function judgeImport(imported: ImportedOrg, { tree, nickNames }: OrgState): OrgVerdict {
  const unknown = imported.members.findIndex(({ user_id }) => !nickNames.has(user_id))
  if (unknown >= 0) {
    const message = `there is no user ${imported.members[unknown]?.user_id}, or they are deactivated`
    return { kind: 'refused', fault: { field: `members.${unknown}.user_id`, message } }
  }
  const wanted = {
    departments: imported.departments.map(
      ({ department_id, parent_id = null, name }): OrgDepartment => ({ department_id, parent_id, name }),
    ),
    members: imported.members.map(
      ({ user_id, department_id, name, title = '' }): OrgMember => ({
        user_id,
        department_id,
        // A nick name may be empty; a name in the tree is not.
        name: name ?? (nickNames.get(user_id) || String(user_id)),
        title,
      }),
    ),
  }
  return planOf(tree, wanted)
}

/** Rows of one kind that are new, that differ, and that are gone. */
interface Compared<Row> {
  readonly added: readonly Row[]
  readonly changed: readonly { readonly was: Row; readonly is: Row }[]
  readonly removed: readonly Row[]
}

function compare<Row extends object>(
  standing: readonly Row[],
  wanted: readonly Row[],
  keyOf: (row: Row) => string,
  fields: readonly (keyof Row)[],
): Compared<Row> {
  const before = new Map(standing.map((row) => [keyOf(row), row]))
  const keys = new Set(wanted.map(keyOf))
  return {
    added: wanted.filter((row) => !before.has(keyOf(row))),
    changed: wanted.flatMap((is) => {
      const was = before.get(keyOf(is))
      return was !== undefined && fields.some((field) => was[field] !== is[field]) ? [{ was, is }] : []
    }),
    removed: standing.filter((row) => !keys.has(keyOf(row))),
  }
}

function planOf(standing: OrgTree, wanted: OrgTree): OrgVerdict {
  const departments = compare(standing.departments, wanted.departments, (row) => row.department_id, [
    'parent_id',
    'name',
  ])
  const members = compare(standing.members, wanted.members, memberKey, ['name', 'title'])
  return {
    kind: 'planned',
    changes: { departments: rowsOf(departments), members: rowsOf(members) },
    difference: {
      departments: differenceOfDepartments(departments),
      members: differenceOfMembers(members),
    },
  }
}

const rowsOf = <Row extends object>({ added, changed, removed }: Compared<Row>) => [
  ...[...added, ...changed.map(({ is }) => is)].map((row) => ({ ...row, removed: false })),
  ...removed.map((row) => ({ ...row, removed: true })),
]

function differenceOfDepartments({
  added,
  changed,
  removed,
}: Compared<OrgDepartment>): OrgDifference['departments'] {
  return {
    added: added.map(({ department_id }) => department_id),
    moved: changed
      .filter(({ was, is }) => was.parent_id !== is.parent_id)
      .map(({ was, is: { department_id, parent_id } }) => ({
        department_id,
        from_parent_id: was.parent_id,
        to_parent_id: parent_id,
      })),
    renamed: changed
      .filter(({ was, is }) => was.name !== is.name)
      .map(({ was, is }) => ({ department_id: is.department_id, from: was.name, to: is.name })),
    removed: removed.map(({ department_id }) => department_id),
  }
}

const placeOf = ({ user_id, department_id }: OrgMember) => ({ user_id: String(user_id), department_id })

/** Who left one department and came into another has moved: their first of each go together. */
function differenceOfMembers(compared: Compared<OrgMember>): OrgDifference['members'] {
  const left = new Map<number, OrgMember[]>()
  for (const was of compared.removed) left.set(was.user_id, [...(left.get(was.user_id) ?? []), was])
  const added: OrgMember[] = []
  const moves: { was: OrgMember; is: OrgMember }[] = []
  for (const is of compared.added) {
    const was = left.get(is.user_id)?.shift()
    if (was === undefined) added.push(is)
    else moves.push({ was, is })
  }
  const differing = (field: 'name' | 'title') =>
    [...compared.changed, ...moves]
      .filter(({ was, is }) => was[field] !== is[field])
      .map(({ was, is }) => ({ ...placeOf(is), from: was[field], to: is[field] }))
  return {
    added: added.map(placeOf),
    moved: moves.map(({ was, is }) => ({
      user_id: String(is.user_id),
      from_department_id: was.department_id,
      to_department_id: is.department_id,
    })),
    renamed: differing('name'),
    retitled: differing('title'),
    removed: [...left.values()].flat().map(placeOf),
  }
}
