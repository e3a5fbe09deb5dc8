/** The org tree: imported under its lock, read by version, searched. Implements the ports of workers/ports/org.ts. */
import type { Pool, PoolClient } from 'pg'
import { type OrgDiff, orgLimits } from '../../schemas/org-operations.js'
import type {
  OrgChanges,
  OrgDepartment,
  OrgDirectory,
  OrgImport,
  OrgImports,
  OrgMember,
  OrgOutcome,
  OrgRow,
} from '../../workers/ports/org.js'
import { bigints, texts } from './arrays.js'
import { indexOf, type OrgIndex } from './org-index.js'
import { inTransaction, prepared } from './pool.js'

/** A record is kept for a day; what it was answered for longer. */
const answersKept_ms = 2 * 86_400_000

const selectStanding = prepared<{ version: number; is_member: boolean }>(
  'org-standing',
  `SELECT o.version, EXISTS (SELECT FROM im_org_member m WHERE m.user_id = $1 AND NOT m.removed) AS is_member
     FROM im_org o`,
)
/** From the start nobody needs to hear of what is no more. */
const selectChanged = prepared<OrgRow>(
  'org-since',
  `SELECT * FROM (
     (SELECT 'department' AS kind, d.version, d.removed, d.department_id, d.parent_id, NULL::bigint AS user_id, d.name,
             NULL AS title
        FROM im_org_department d WHERE d.version > $1 AND ($1 > 0 OR NOT d.removed) ORDER BY d.version LIMIT $2)
     UNION ALL
     (SELECT 'member', m.version, m.removed, m.department_id, NULL, m.user_id, m.name, m.title
        FROM im_org_member m WHERE m.version > $1 AND ($1 > 0 OR NOT m.removed) ORDER BY m.version LIMIT $2)
   ) rows ORDER BY version LIMIT $2`,
)
/** Reads the tree on this pool; keeps in memory what is searched in, of the version that was searched last. */
export function createOrgDirectory(pool: Pool): OrgDirectory {
  let kept: { readonly version: number; readonly index: Promise<OrgIndex> } | undefined

  const changedSince: OrgDirectory['changedSince'] = async (version, limit) =>
    (await selectChanged(pool, [version, limit])).map(withoutOthers)

  /** What is read may be newer than the version: then the next search reads it again. */
  function indexAt(version: number): Promise<OrgIndex> {
    if (kept?.version === version) return kept.index
    const index = changedSince(0, orgLimits.departments + orgLimits.members).then(indexOf)
    kept = { version, index }
    index.catch(() => {
      if (kept?.index === index) kept = undefined
    })
    return index
  }

  return {
    async standing(user_id) {
      const [standing] = await selectStanding(pool, [user_id])
      return standing ?? { version: 0, is_member: false }
    },
    changedSince,
    search: async (version, asked) => (await indexAt(version))(asked),
  }
}

/** A row of its kind, without the columns of the other. */
function withoutOthers(row: OrgRow): OrgRow {
  if (row.kind === 'department') {
    const { kind, version, removed, department_id, parent_id, name } = row
    return { kind, version, removed, department_id, parent_id, name }
  }
  const { kind, version, removed, user_id, department_id, name, title } = row
  return { kind, version, removed, user_id, department_id, name, title }
}

const lockTree = prepared<{ version: number }>('org-lock', 'SELECT version FROM im_org FOR UPDATE')
const selectAnswer = prepared<{ diff: OrgDiff }>(
  'org-import-answer',
  'SELECT diff FROM im_org_import WHERE place = $1',
)
const selectNickNames = prepared<{ user_id: number; nick_name: string }>(
  'org-users',
  'SELECT user_id, nick_name FROM im_user WHERE user_id = ANY ($1::bigint[]) AND active',
)
const selectDepartments = prepared<OrgDepartment>(
  'org-departments',
  'SELECT department_id, parent_id, name FROM im_org_department WHERE NOT removed ORDER BY version',
)
const selectMembers = prepared<OrgMember>(
  'org-members',
  'SELECT user_id, department_id, name, title FROM im_org_member WHERE NOT removed ORDER BY version',
)
const writeDepartments = prepared(
  'org-departments-write',
  `INSERT INTO im_org_department (department_id, parent_id, name, removed, version)
   SELECT k.d, k.p, k.n, k.r, $5::bigint + k.o
     FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[]) WITH ORDINALITY k(d, p, n, r, o)
   ON CONFLICT (department_id) DO UPDATE
     SET parent_id = excluded.parent_id, name = excluded.name, removed = excluded.removed, version = excluded.version`,
)
const writeMembers = prepared(
  'org-members-write',
  `INSERT INTO im_org_member (user_id, department_id, name, title, removed, version)
   SELECT k.u, k.d, k.n, k.t, k.r, $6::bigint + k.o
     FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[]) WITH ORDINALITY k(u, d, n, t, r, o)
   ON CONFLICT (user_id, department_id) DO UPDATE
     SET name = excluded.name, title = excluded.title, removed = excluded.removed, version = excluded.version`,
)
const setVersion = prepared('org-version', 'UPDATE im_org SET version = $1')
const keepAnswer = prepared(
  'org-import-keep',
  'INSERT INTO im_org_import (place, diff, created) VALUES ($1, $2::jsonb, $3)',
)
const dropAnswers = prepared('org-import-drop', 'DELETE FROM im_org_import WHERE created < $1')

/** Imports trees on this pool. */
export const createOrgImports = (pool: Pool): OrgImports => ({
  async apply(imports) {
    const outcomes: OrgOutcome[] = []
    for (const each of imports) outcomes.push(await inTransaction(pool, (client) => applyOne(client, each)))
    return outcomes
  },
})

async function applyOne(client: PoolClient, { place, users, judge }: OrgImport): Promise<OrgOutcome> {
  const [{ version: before } = { version: 0 }] = await lockTree(client, [])
  const [answered] = await selectAnswer(client, [place])
  if (answered !== undefined) return { kind: 'done', diff: answered.diff }
  const known = await selectNickNames(client, [bigints(users)])
  const tree = { departments: await selectDepartments(client, []), members: await selectMembers(client, []) }
  const nickNames = new Map(known.map(({ user_id, nick_name }) => [user_id, nick_name]))
  const verdict = judge({ tree, nickNames })
  if (verdict.kind === 'refused') return verdict
  const version = await write(client, before, verdict.changes)
  const diff: OrgDiff = { version, ...verdict.difference }
  const now = Date.now()
  await keepAnswer(client, [place, JSON.stringify(diff), now])
  await dropAnswers(client, [now - answersKept_ms])
  return { kind: 'done', diff }
}

/** Each row takes the next version. Answers the last one given. */
async function write(
  client: PoolClient,
  before: number,
  { departments, members }: OrgChanges,
): Promise<number> {
  const after = before + departments.length + members.length
  if (departments.length > 0)
    await writeDepartments(client, [
      texts(departments.map(({ department_id }) => department_id)),
      texts(departments.map(({ parent_id }) => parent_id)),
      texts(departments.map(({ name }) => name)),
      departments.map(({ removed }) => removed),
      before,
    ])
  if (members.length > 0)
    await writeMembers(client, [
      bigints(members.map(({ user_id }) => user_id)),
      texts(members.map(({ department_id }) => department_id)),
      texts(members.map(({ name }) => name)),
      texts(members.map(({ title }) => title)),
      members.map(({ removed }) => removed),
      before + departments.length,
    ])
  if (after > before) await setVersion(client, [after])
  return after
}
