/** The org tree of a database of one's own: users 1 … 10,000, of whom one is a robot and one deactivated. */
import assert from 'node:assert/strict'
import { after, before, beforeEach } from 'node:test'
import type pg from 'pg'
import { createOrgImports } from '../../infra/postgres/org.js'
import type { OrgDiff } from '../../schemas/org-operations.js'
import { type ImportedOrg, judgeImport } from '../../workers/kit/org-rules.js'
import type { OrgOutcome } from '../../workers/ports/org.js'
import { type Populated, populated } from './populated.js'

export const robot = 90
export const gone = 99
export const users = 10_000

export type Given = readonly [user_id: number, department_id: string, name?: string]

/** Departments by their parents, below the root; and who is in them. */
export const tree = (parents: Readonly<Record<string, string>>, members: readonly Given[]): ImportedOrg => ({
  departments: [
    { department_id: 'root', name: 'Ångström & Söhne' },
    ...Object.entries(parents).map(([department_id, parent_id]) => ({
      department_id,
      parent_id,
      name: `the ${department_id}`,
    })),
  ],
  members: members.map(([user_id, department_id, name]) => ({
    user_id,
    department_id,
    ...(name === undefined ? {} : { name }),
  })),
  allow_empty: true,
})

/** Opened before the tests of a file, emptied before each of them, dropped after all. */
export function orgOfTests() {
  let database: Populated
  let pool: pg.Pool
  let record = 0
  before(async () => {
    database = await populated(users, { gone, robot })
    pool = database.pool
  })
  beforeEach(() =>
    pool.query('TRUNCATE im_org_department, im_org_member, im_org_import; UPDATE im_org SET version = 0'),
  )
  after(() => database.close())

  async function apply(imported: ImportedOrg, place = `0:${record++}:1`): Promise<OrgOutcome> {
    const [outcome] = await createOrgImports(pool).apply([
      {
        place,
        users: imported.members.map(({ user_id }) => user_id),
        judge: (state) => judgeImport(imported, state),
      },
    ])
    return outcome!
  }

  return {
    pool: () => pool,
    url: () => database.url,
    /** @param place of the record that brings it; a new one where it is not given */
    apply,
    /** What an import changed that is not refused. */
    async diffOf(imported: ImportedOrg, place?: string): Promise<OrgDiff> {
      const outcome = await apply(imported, place)
      assert.ok(outcome.kind === 'done', JSON.stringify(outcome))
      return outcome.diff
    },
  }
}
