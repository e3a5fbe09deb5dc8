/** The org tree on the real PostgreSQL: imports, versions, pages, searches. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { createOrgDirectory } from '../../../infra/postgres/org.js'
import { orgLimits } from '../../../schemas/org-operations.js'
import type { ImportedOrg } from '../../../workers/kit/org-rules.js'
import type { OrgRow } from '../../../workers/ports/org.js'
import { type Given, gone, orgOfTests, tree, users } from '../../helpers/org-tree.js'

const { pool, apply, diffOf } = orgOfTests()
const nothing: ImportedOrg = { departments: [], members: [], allow_empty: true }

/** Everything that changed after a version, read in pages of so many rows. */
async function readSince(from: number, limit: number, between = async () => {}): Promise<OrgRow[]> {
  const rows: OrgRow[] = []
  for (let version = from; ; ) {
    const page = await createOrgDirectory(pool()).changedSince(version, limit)
    rows.push(...page)
    if (page.length < limit) return rows
    version = page.at(-1)!.version
    await between()
  }
}

/** What a client has that keeps the last of each row. */
function kept(rows: readonly OrgRow[]): string[] {
  const byKey = new Map<string, OrgRow>()
  for (const row of rows)
    byKey.set(row.kind === 'department' ? row.department_id : `${row.department_id}/${row.user_id}`, row)
  return [...byKey].flatMap(([key, { removed }]) => (removed ? [] : [key])).sort()
}

test('an import is read from version 0; the next one only by what it changed, removed rows included', async () => {
  const first = await diffOf(
    tree({ a: 'root', b: 'root' }, [
      [1, 'a'],
      [2, 'b'],
      [3, 'b'],
    ]),
  )
  assert.deepEqual(first.departments.added, ['root', 'a', 'b'])
  assert.deepEqual(kept(await readSince(0, 2)), ['a', 'a/1', 'b', 'b/2', 'b/3', 'root'])
  const second = await diffOf(
    tree({ a: 'root' }, [
      [1, 'a'],
      [2, 'a'],
    ]),
  )
  assert.deepEqual(second.departments.removed, ['b'])
  assert.deepEqual(second.members.moved, [{ user_id: '2', from_department_id: 'b', to_department_id: 'a' }])
  const news = await readSince(first.version, 100)
  assert.deepEqual(
    news.map((row) => [row.department_id, row.kind === 'member' ? row.user_id : undefined, row.removed]),
    [
      ['b', undefined, true],
      ['a', 2, false],
      ['b', 2, true],
      ['b', 3, true],
    ],
  )
  assert.equal(news.at(-1)?.version, second.version)
  assert.deepEqual(kept(await readSince(0, 1)), ['a', 'a/1', 'a/2', 'root'])
  assert.ok((await readSince(0, 100)).every(({ removed }) => !removed))
})

test('a tree as it was gives no new version; what was removed can come back', async () => {
  const whole = tree({ a: 'root' }, [[1, 'a']])
  const { version } = await diffOf(whole)
  assert.equal((await diffOf(whole)).version, version)
  await diffOf(tree({}, []))
  const back = await diffOf(whole)
  assert.deepEqual([back.departments.added, back.members.added.length], [['a'], 1])
  assert.deepEqual(kept(await readSince(version, 100)), ['a', 'a/1'])
})

test('a new nick name is in the tree from the next import', async (t) => {
  t.after(() => pool().query(`UPDATE im_user SET nick_name = 'user 1' WHERE user_id = 1`))
  const whole = tree({}, [
    [1, 'root'],
    [2, 'root', 'Bo'],
  ])
  await diffOf(whole)
  await pool().query(`UPDATE im_user SET nick_name = 'Ada' WHERE user_id = 1`)
  const { members } = await diffOf(whole)
  assert.deepEqual(members.renamed, [{ user_id: '1', department_id: 'root', from: 'user 1', to: 'Ada' }])
})

test('a record that comes again is answered as before and changes nothing, also after later imports', async () => {
  const small = tree({}, [[1, 'root']])
  const first = await diffOf(small, '0:7:1')
  const large = await diffOf(
    tree({ a: 'root' }, [
      [1, 'a'],
      [2, 'a'],
    ]),
    '0:8:1',
  )
  assert.deepEqual(await diffOf(small, '0:7:1'), first)
  assert.deepEqual(kept(await readSince(0, 100)), ['a', 'a/1', 'a/2', 'root'])
  assert.equal((await createOrgDirectory(pool()).standing(1)).version, large.version)
})

test('a refused import changes nothing', async () => {
  await diffOf(tree({}, [[1, 'root']]))
  for (const stranger of [gone, users + 1]) {
    const outcome = await apply(
      tree({ a: 'root' }, [
        [2, 'a'],
        [stranger, 'a'],
      ]),
    )
    assert.deepEqual(outcome.kind === 'refused' && outcome.fault.field, 'members.1.user_id')
  }
  assert.deepEqual(kept(await readSince(0, 100)), ['root', 'root/1'])
})

test('imports at the same moment are applied one after the other, and each diff is true', async () => {
  const diffs = await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      diffOf(
        tree({ [`d${n % 4}`]: 'root' }, [
          [n + 1, `d${n % 4}`],
          [50, 'root', `name ${n}`],
        ]),
      ),
    ),
  )
  const inOrder = diffs.toSorted((one, other) => one.version - other.version)
  assert.equal(new Set(diffs.map(({ version }) => version)).size, 12)
  // Played one after the other, the diffs make the tree that stands.
  const departments = new Set<string>()
  const members = new Set<string>()
  for (const diff of inOrder) {
    for (const id of diff.departments.removed) assert.ok(departments.delete(id))
    for (const id of diff.departments.added) departments.add(id)
    for (const { user_id, department_id } of diff.members.removed)
      assert.ok(members.delete(`${department_id}/${user_id}`))
    for (const { user_id, department_id } of diff.members.added) members.add(`${department_id}/${user_id}`)
    for (const { user_id, from_department_id, to_department_id } of diff.members.moved) {
      assert.ok(members.delete(`${from_department_id}/${user_id}`))
      members.add(`${to_department_id}/${user_id}`)
    }
  }
  assert.deepEqual([...departments, ...members].sort(), kept(await readSince(0, 100)))
})

test('who reads page by page while imports go on ends with the tree that stands', async () => {
  const wide = (n: number) =>
    tree(
      { a: 'root', b: 'root' },
      Array.from({ length: 40 }, (_, i): Given => [i + 1, (i + n) % 3 ? 'a' : 'b']),
    )
  await diffOf(wide(0))
  let n = 0
  const rows = await readSince(0, 7, async () => {
    if (++n < 5) await diffOf(wide(n))
  })
  assert.deepEqual(kept(rows), kept(await readSince(0, 1_000)))
})

test('the largest tree is imported, changed and emptied within the time that a statement has', async () => {
  const departments = Object.fromEntries(
    Array.from({ length: orgLimits.departments - 1 }, (_, n) => [`d${n}`, n < 40 ? 'root' : `d${n % 40}`]),
  )
  const members = Array.from(
    { length: users },
    (_, n): Given => [n + 1 === gone ? 1 : n + 1, n + 1 === gone ? 'root' : `d${n % 1_000}`],
  )
  assert.equal((await diffOf(tree(departments, members))).members.added.length, users)
  const moved = members.map(([user_id, department_id]): Given => [user_id, department_id, 'new'])
  assert.equal((await diffOf(tree(departments, moved))).members.renamed.length, users)
  assert.equal((await readSince(0, 501)).length, users + orgLimits.departments)
  assert.equal((await diffOf(nothing)).members.removed.length, users)
  assert.deepEqual(await readSince(0, 500), [])
})

test('a search sees the tree of the last import, and reads it once', async () => {
  let reads = 0
  const counting = {
    query: (query: pg.QueryConfig) => {
      if (query.name === 'org-since') reads++
      return pool().query(query)
    },
  } as unknown as pg.Pool
  const directory = createOrgDirectory(counting)
  const search = async () => {
    const { version } = await directory.standing(1)
    const found = await directory.search(version, { query: 'ADA', department_id: undefined, limit: 9 })
    return found.map(({ user_id, department_name }) => [user_id, department_name])
  }
  assert.deepEqual(await search(), [])
  await diffOf(
    tree({ lab: 'root' }, [
      [1, 'lab', 'Ada'],
      [2, 'lab', 'Bo'],
    ]),
  )
  const found = [[1, 'the lab']]
  assert.deepEqual(await Promise.all([search(), search(), search()]), [found, found, found])
  assert.equal(reads, 2)
  await diffOf(tree({}, [[2, 'root', 'Ada B.']]))
  assert.deepEqual(await search(), [[2, 'Ångström & Söhne']])
})
