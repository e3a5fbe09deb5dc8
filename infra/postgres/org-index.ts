/** An org tree as it is searched in: in memory, where 10,000 names are looked through in a millisecond. Pure. */
import type { FoundMember, OrgRow, OrgSearch } from '../../workers/ports/org.js'

type Department = Extract<OrgRow, { kind: 'department' }>
type Member = Extract<OrgRow, { kind: 'member' }>

/** Finds people whose name has the query in it first, then those whose department's has; by name. */
export type OrgIndex = (asked: OrgSearch) => readonly FoundMember[]

/** A name as it is compared, whatever its case and width: ß is SS, ς is Σ. */
const fold = (name: string): string => name.normalize('NFKC').toUpperCase().normalize('NFKC')

interface Entry {
  readonly folded: string
  readonly found: FoundMember
}

const byName = (one: Entry, other: Entry): number =>
  one.folded < other.folded
    ? -1
    : one.folded > other.folded
      ? 1
      : one.found.user_id - other.found.user_id ||
        (one.found.department_id < other.found.department_id ? -1 : 1)

/** @param rows a tree, without removed rows */
export function indexOf(rows: readonly OrgRow[]): OrgIndex {
  const departments = rows.filter((row) => row.kind === 'department')
  const names = new Map(departments.map(({ department_id, name }) => [department_id, name]))
  const foldedNames = departments.map(({ department_id, name }) => ({ department_id, folded: fold(name) }))
  const childrenOf = childrenByParent(departments)
  const entries = rows
    .filter((row) => row.kind === 'member')
    .map((member) => entryOf(member, names.get(member.department_id) ?? ''))
    .sort(byName)

  return ({ query, department_id, limit }) => {
    const wanted = query === undefined ? undefined : fold(query.trim())
    const within = department_id === undefined ? undefined : downFrom(department_id, childrenOf)
    const named = new Set(
      foldedNames
        .filter(({ folded }) => wanted !== undefined && folded.includes(wanted))
        .map((each) => each.department_id),
    )
    const people: FoundMember[] = []
    const others: FoundMember[] = []
    for (const { folded, found } of entries) {
      if (within !== undefined && !within.has(found.department_id)) continue
      if (wanted === undefined || folded.includes(wanted)) people.push(found)
      else if (named.has(found.department_id) && others.length < limit) others.push(found)
      if (people.length === limit) break
    }
    return [...people, ...others].slice(0, limit)
  }
}

const entryOf = (
  { user_id, department_id, name, title, version }: Member,
  department_name: string,
): Entry => ({
  folded: fold(name),
  found: { user_id, department_id, department_name, name, title, version },
})

function childrenByParent(departments: readonly Department[]): ReadonlyMap<string, readonly string[]> {
  const children = new Map<string, string[]>()
  for (const { department_id, parent_id } of departments) {
    if (parent_id === null) continue
    const siblings = children.get(parent_id)
    if (siblings === undefined) children.set(parent_id, [department_id])
    else siblings.push(department_id)
  }
  return children
}

/** A department and all below it. */
function downFrom(
  department_id: string,
  childrenOf: ReadonlyMap<string, readonly string[]>,
): ReadonlySet<string> {
  const passed = new Set([department_id])
  for (const each of passed) for (const child of childrenOf.get(each) ?? []) passed.add(child)
  return passed
}
