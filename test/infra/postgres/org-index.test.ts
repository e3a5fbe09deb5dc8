/** What a search of the org tree finds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexOf } from '../../../infra/postgres/org-index.js'
import type { OrgRow } from '../../../workers/ports/org.js'

const row = { version: 1, removed: false }
const department = (department_id: string, parent_id: string | null, name = department_id): OrgRow => ({
  ...row,
  kind: 'department',
  department_id,
  parent_id,
  name,
})
const member = (user_id: number, department_id: string, name: string): OrgRow => ({
  ...row,
  kind: 'member',
  user_id,
  department_id,
  name,
  title: '',
})

const find = indexOf([
  department('north sales', 'sales'),
  department('root', null, 'Ångström & Söhne'),
  department('sales', 'root', 'The sales'),
  department('lab', 'root'),
  member(1, 'root', 'Jürgen STRAßE'),
  member(2, 'lab', 'Σίσυφος'),
  member(3, 'lab', '山田 太郎'),
  member(4, 'sales', 'Zoë 100% _A\\b'),
  member(5, 'north sales', 'Bo Salesman'),
  member(6, 'lab', 'ＡＤＡ'),
  member(6, 'sales', 'Ada'),
])
const search = (query?: string, department_id?: string, limit = 100) =>
  find({ query, department_id, limit }).map(({ user_id, department_id: at }) => `${at}/${user_id}`)

const queries: readonly [string, readonly string[]][] = [
  ['jürgen strasse', ['root/1']],
  ['Ju\u0308RGEN', ['root/1']],
  ['ΣΊΣΥΦΟΣ', ['lab/2']],
  ['田', ['lab/3']],
  ['ZOË', ['sales/4']],
  ['ada', ['lab/6', 'sales/6']],
  [' bo ', ['north sales/5']],
  ['%', ['sales/4']],
  ['_a\\', ['sales/4']],
  ['100%_', []],
  ['.*', []],
  ["'; --", []],
  ['sales', ['north sales/5', 'sales/6', 'sales/4']],
  ['ångström &', ['root/1']],
  ['angström', []],
]
for (const [query, people] of queries)
  test(`${query} finds ${people.join(', ') || 'nobody'}`, () => {
    assert.deepEqual(search(query), people)
  })

test('a department has its own people and those of all below it', () => {
  assert.deepEqual(search(undefined, 'sales'), ['sales/6', 'north sales/5', 'sales/4'])
  assert.deepEqual(search(undefined, 'nowhere'), [])
  assert.equal(search(undefined, 'root').length, 7)
})

test('a query within a department finds nobody outside', () => {
  assert.deepEqual(search('ada', 'sales'), ['sales/6'])
  assert.deepEqual(search('ada', 'north sales'), [])
})

test('no more are found than asked for: those whose own name fits before those of a department', () => {
  assert.deepEqual(search('sales', undefined, 2), ['north sales/5', 'sales/6'])
  assert.deepEqual(search('a', undefined, 1), search('a').slice(0, 1))
  for (const limit of [1, 2, 3, 4, 5])
    assert.deepEqual(search('sa', undefined, limit), search('sa').slice(0, limit))
})

test('an empty tree has nobody', () => {
  assert.deepEqual(indexOf([])({ query: 'a', department_id: undefined, limit: 1 }), [])
})
