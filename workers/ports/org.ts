/** The org tree, as workers need it. Types only; infra/postgres implements them. */
import type { OrgDiff } from '../../schemas/org-operations.js'

export interface OrgDepartment {
  readonly department_id: string
  /** null: the root. */
  readonly parent_id: string | null
  readonly name: string
}

/** A user in a department; one may be in several. */
export interface OrgMember {
  readonly user_id: number
  readonly department_id: string
  readonly name: string
  /** '' for none. */
  readonly title: string
}

export interface OrgTree {
  readonly departments: readonly OrgDepartment[]
  readonly members: readonly OrgMember[]
}

/** Where a row stands in the history of the tree. */
interface Versioned {
  /** Later changes have larger ones. No two rows have the same. */
  readonly version: number
  readonly removed: boolean
}

/** Rows to be written, in this order: each takes the next version. */
export interface OrgChanges {
  readonly departments: readonly (OrgDepartment & Pick<Versioned, 'removed'>)[]
  readonly members: readonly (OrgMember & Pick<Versioned, 'removed'>)[]
}

/** What an import is judged by, as it stands under the lock of the tree. */
export interface OrgState {
  readonly tree: OrgTree
  /** The nick names of those of its users who exist and are active. */
  readonly nickNames: ReadonlyMap<number, string>
}

/** What is wrong with an import: the field as the app server wrote it, such as `departments.3.parent_id`. */
export interface OrgFault {
  readonly field: string
  readonly message: string
}

/** The diff as it is answered, without the version. */
export type OrgDifference = Omit<OrgDiff, 'version'>

export type OrgVerdict =
  | { readonly kind: 'refused'; readonly fault: OrgFault }
  | { readonly kind: 'planned'; readonly changes: OrgChanges; readonly difference: OrgDifference }

export interface OrgImport {
  /** Of the record that brought it: where it comes again it was applied before. */
  readonly place: string
  /** Whom it names. */
  readonly users: readonly number[]
  /** Pure: may be called again. */
  readonly judge: (state: OrgState) => OrgVerdict
}

export type OrgOutcome =
  | { readonly kind: 'refused'; readonly fault: OrgFault }
  | { readonly kind: 'done'; readonly diff: OrgDiff }

export interface OrgImports {
  /** Each in a transaction of its own, in order. Idempotent. Throws when the database is ill. */
  apply(imports: readonly OrgImport[]): Promise<readonly OrgOutcome[]>
}

export type OrgRow =
  | (OrgDepartment & Versioned & { readonly kind: 'department' })
  | (OrgMember & Versioned & { readonly kind: 'member' })

export interface FoundMember extends OrgMember {
  readonly version: number
  readonly department_name: string
}

export interface OrgSearch {
  /** A part of a name; in whatever case. */
  readonly query: string | undefined
  /** In this department and all below it. */
  readonly department_id: string | undefined
  readonly limit: number
}

export interface OrgDirectory {
  /** The version of the tree, and whether this user is in it. */
  standing(user_id: number): Promise<{ readonly version: number; readonly is_member: boolean }>
  /** Rows with a larger version, in the order of their versions; from 0 without removed ones. */
  changedSince(version: number, limit: number): Promise<readonly OrgRow[]>
  /**
   * People whose name has the query in it first, then those whose department's has; by name.
   * @param version what is searched is at least as new
   */
  search(version: number, asked: OrgSearch): Promise<readonly FoundMember[]>
}
