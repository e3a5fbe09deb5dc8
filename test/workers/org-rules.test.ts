/** What can be wrong with an imported org tree, and what one changes of the tree that stands. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { orgLimits, orgOperations } from '../../schemas/org-operations.js'
import { faultOf, type ImportedOrg, judgeImport } from '../../workers/kit/org-rules.js'
import type { OrgTree, OrgVerdict } from '../../workers/ports/org.js'

type Department = ImportedOrg['departments'][number]
type Member = ImportedOrg['members'][number]

const department = (department_id: string, parent_id?: string, name = department_id): Department => ({
  department_id,
  name,
  ...(parent_id === undefined ? {} : { parent_id }),
})
const member = (user_id: number, department_id: string, more: Partial<Member> = {}): Member => ({
  user_id,
  department_id,
  ...more,
})
const tree = (
  departments: readonly Department[],
  members: readonly Member[] = [],
  allow_empty = false,
): ImportedOrg => ({ departments: [...departments], members: [...members], allow_empty })

const root = department('root')
const faults: readonly [string, ImportedOrg, string | undefined][] = [
  ['an empty tree', tree([]), 'departments'],
  ['an empty tree that is meant', tree([], [], true), undefined],
  ['a root alone', tree([root]), undefined],
  ['a child before its parent', tree([department('a', 'root'), root]), undefined],
  ['two roots', tree([root, department('a'), department('b', 'a')]), 'departments.1.parent_id'],
  ['no root', tree([department('a', 'b'), department('b', 'a')]), 'departments.0.parent_id'],
  [
    'a department twice',
    tree([root, department('a', 'root'), department('a', 'root')]),
    'departments.2.department_id',
  ],
  ['an unknown parent', tree([root, department('a', 'z')]), 'departments.1.parent_id'],
  ['a department below itself', tree([root, department('a', 'a')]), 'departments.1.parent_id'],
  [
    'a circle of three beside a sound tree',
    tree([root, department('s', 'root'), department('a', 'c'), department('b', 'a'), department('c', 'b')]),
    'departments.2.parent_id',
  ],
  [
    'a department below a circle',
    tree([root, department('x', 'a'), department('a', 'b'), department('b', 'a')]),
    'departments.1.parent_id',
  ],
  ['members without a department', tree([], [member(1, 'a')]), 'members.0.department_id'],
  [
    'a member of an unknown department',
    tree([root], [member(1, 'root'), member(1, 'a')]),
    'members.1.department_id',
  ],
  [
    'a user in two departments',
    tree([root, department('a', 'root')], [member(1, 'root'), member(1, 'a')]),
    undefined,
  ],
  ['a user twice in a department', tree([root], [member(1, 'root'), member(1, 'root')]), 'members.1.user_id'],
]
for (const [what, imported, field] of faults)
  test(`${what} is ${field === undefined ? 'taken' : `refused at ${field}`}`, () => {
    assert.equal(faultOf(imported)?.field, field)
  })

test('a chain of 2,000 departments is checked at once, from whichever end it comes', () => {
  const chain = Array.from({ length: orgLimits.departments }, (_, n) =>
    department(`${n}`, n === 0 ? undefined : `${n - 1}`),
  )
  assert.equal(faultOf(tree(chain)), undefined)
  assert.equal(faultOf(tree(chain.toReversed())), undefined)
})

const long = (length: number) => '組'.repeat(length)
const parts: readonly [string, unknown, string | undefined][] = [
  ['names of 64 characters', { departments: [department(long(64), undefined, long(64))] }, undefined],
  [
    'a department id of 65 characters',
    { departments: [department(long(65))] },
    'departments.0.department_id',
  ],
  [
    'an empty department id',
    { departments: [department('', undefined, 'a')] },
    'departments.0.department_id',
  ],
  ['an empty parent id', { departments: [department('a', '')] }, 'departments.0.parent_id'],
  [
    'a department name of 65 characters',
    { departments: [department('a', undefined, long(65))] },
    'departments.0.name',
  ],
  ['an empty department name', { departments: [department('a', undefined, '')] }, 'departments.0.name'],
  ['a department without a name', { departments: [{ department_id: 'a' }] }, 'departments.0.name'],
  ['a member name of 65 characters', { members: [member(1, 'a', { name: long(65) })] }, 'members.0.name'],
  ['an empty member name', { members: [member(1, 'a', { name: '' })] }, 'members.0.name'],
  ['a title of 65 characters', { members: [member(1, 'a', { title: long(65) })] }, 'members.0.title'],
  ['U+0000 in a name', { departments: [department('a', undefined, 'a\0')] }, 'departments.0.name'],
  ['half a surrogate pair', { departments: [department('a', undefined, '\ud800')] }, 'departments.0.name'],
  ['user 0', { members: [member(0, 'a')] }, 'members.0.user_id'],
  ['a group’s id', { members: [member(2 ** 48, 'a')] }, 'members.0.user_id'],
  [
    'one member more than the limit',
    { members: Array.from({ length: orgLimits.members + 1 }, (_, n) => member(n + 1, 'a')) },
    'members',
  ],
  [
    'one department more than the limit',
    { departments: Array.from({ length: orgLimits.departments + 1 }, (_, n) => department(`${n}`)) },
    'departments',
  ],
]
for (const [what, part, field] of parts)
  test(`${what}: ${field === undefined ? 'taken' : `refused at ${field}`}`, () => {
    const given = { departments: [], members: [], allow_empty: false, ...(part as object) }
    const issue = orgOperations.import.safeParse(given).error?.issues[0]
    assert.equal(issue?.path.join('.'), field)
  })

const nickNames = new Map([
  [1, 'Ada'],
  [2, 'Bo'],
  [3, ''],
])

/** What an import does to a tree that an import has made. */
function judged(before: ImportedOrg, after: ImportedOrg): Extract<OrgVerdict, { kind: 'planned' }> {
  const first = plan(before, { departments: [], members: [] })
  const standing = {
    departments: first.changes.departments.map(({ removed: _, ...row }) => row),
    members: first.changes.members.map(({ removed: _, ...row }) => row),
  }
  return plan(after, standing)
}

function plan(imported: ImportedOrg, standing: OrgTree): Extract<OrgVerdict, { kind: 'planned' }> {
  const verdict = judgeImport(imported, { tree: standing, nickNames })
  assert.equal(verdict.kind, 'planned')
  return verdict as Extract<OrgVerdict, { kind: 'planned' }>
}

test('a user who is not there is refused where they stand', () => {
  const verdict = judgeImport(tree([root], [member(1, 'root'), member(9, 'root')]), {
    tree: { departments: [], members: [] },
    nickNames,
  })
  assert.deepEqual(verdict.kind === 'refused' && verdict.fault.field, 'members.1.user_id')
})

test('who has no name in the tree has their nick name, and without that their id', () => {
  const members = [member(1, 'root'), member(2, 'root', { name: 'Bo B.' }), member(3, 'root')]
  const { changes } = plan(tree([root], members), { departments: [], members: [] })
  assert.deepEqual(
    changes.members.map(({ name }) => name),
    ['Ada', 'Bo B.', '3'],
  )
})

test('a tree that is as it was changes nothing, in whatever order it comes', () => {
  const departments = [root, department('a', 'root'), department('b', 'a')]
  const members = [member(1, 'a', { title: 'CTO' }), member(2, 'b'), member(1, 'b')]
  const { changes, difference } = judged(
    tree(departments, members),
    tree(departments.toReversed(), members.toReversed()),
  )
  assert.deepEqual(changes, { departments: [], members: [] })
  assert.deepEqual(Object.values(difference.departments).flat(), [])
  assert.deepEqual(Object.values(difference.members).flat(), [])
})

test('a diff has what was added, moved, renamed and removed of departments', () => {
  const { changes, difference } = judged(
    tree([root, department('a', 'root'), department('b', 'root'), department('c', 'a')]),
    tree([root, department('b', 'root', 'B'), department('c', 'b', 'C'), department('d', 'c')]),
  )
  assert.deepEqual(difference.departments, {
    added: ['d'],
    moved: [{ department_id: 'c', from_parent_id: 'a', to_parent_id: 'b' }],
    renamed: [
      { department_id: 'b', from: 'b', to: 'B' },
      { department_id: 'c', from: 'c', to: 'C' },
    ],
    removed: ['a'],
  })
  assert.deepEqual(
    changes.departments.map(({ department_id, removed }) => [department_id, removed]),
    [
      ['d', false],
      ['b', false],
      ['c', false],
      ['a', true],
    ],
  )
})

test('a new root takes the old one below it', () => {
  const { difference } = judged(tree([root]), tree([department('top'), department('root', 'top')]))
  assert.deepEqual(difference.departments.moved, [
    { department_id: 'root', from_parent_id: null, to_parent_id: 'top' },
  ])
})

test('who leaves one department and comes into another has moved, under a new name too', () => {
  const departments = [root, department('a', 'root'), department('b', 'root'), department('c', 'root')]
  const { changes, difference } = judged(
    tree(departments, [member(1, 'a'), member(2, 'a'), member(2, 'b'), member(3, 'c')]),
    tree(departments, [member(1, 'b', { name: 'A' }), member(2, 'c', { title: 'lead' }), member(1, 'c')]),
  )
  assert.deepEqual(difference.members, {
    added: [{ user_id: '1', department_id: 'c' }],
    moved: [
      { user_id: '1', from_department_id: 'a', to_department_id: 'b' },
      { user_id: '2', from_department_id: 'a', to_department_id: 'c' },
    ],
    renamed: [{ user_id: '1', department_id: 'b', from: 'Ada', to: 'A' }],
    retitled: [{ user_id: '2', department_id: 'c', from: '', to: 'lead' }],
    removed: [
      { user_id: '2', department_id: 'b' },
      { user_id: '3', department_id: 'c' },
    ],
  })
  assert.equal(changes.members.length, 7)
})
