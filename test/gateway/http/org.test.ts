/** The org tree over REST, with the worker that answers, on the real PostgreSQL (spec 4). */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { openRest } from './rest.js'

const { call, register } = await openRest()
before(async () => {
  for (const user of [1, 2, 3, 4]) await register(user)
})

const root = { department_id: 'root', name: 'ACME' }
const department = (department_id: string, parent_id: string, name = department_id) => ({
  department_id,
  parent_id,
  name,
})
const member = (user_id: number, department_id: string, more: object = {}) => ({
  user_id: String(user_id),
  department_id,
  ...more,
})
const put = (departments: readonly object[], members: readonly object[] = [], more: object = {}) =>
  call('PUT', '/v1/org', { body: { departments, members, ...more } })
const get = async (query = '') => (await call('GET', `/v1/org${query}`)).body

test('a tree is imported, read in pages, changed with a true diff, and read by version', async () => {
  const made = await put(
    [root, department('dev', 'root'), department('ops', 'root')],
    [member(1, 'dev', { title: 'CTO' }), member(2, 'ops', { name: 'Bo B.' }), member(3, 'ops')],
  )
  assert.equal(made.status, 200, JSON.stringify(made.body))
  assert.deepEqual(made.body.departments.added, ['root', 'dev', 'ops'])
  assert.equal(made.body.members.added.length, 3)

  const first = await get('?limit=4')
  assert.deepEqual([first.departments.length, first.members.length, first.has_more], [3, 1, true])
  assert.deepEqual(first.departments[1], {
    department_id: 'dev',
    parent_id: 'root',
    name: 'dev',
    version: 2,
    removed: false,
  })
  assert.deepEqual(first.members[0], {
    user_id: '1',
    department_id: 'dev',
    name: 'user 1',
    title: 'CTO',
    version: 4,
    removed: false,
  })
  const rest = await get(`?limit=4&version=${first.version}`)
  assert.deepEqual([rest.members.length, rest.has_more, rest.version], [2, false, made.body.version])
  assert.deepEqual(await get(`?version=${rest.version}`), {
    version: rest.version,
    has_more: false,
    departments: [],
    members: [],
  })

  const changed = await put([root, department('dev', 'root', 'R&D')], [member(1, 'dev'), member(2, 'dev')])
  assert.deepEqual(changed.body, {
    version: changed.body.version,
    departments: {
      added: [],
      moved: [],
      renamed: [{ department_id: 'dev', from: 'dev', to: 'R&D' }],
      removed: ['ops'],
    },
    members: {
      added: [],
      moved: [{ user_id: '2', from_department_id: 'ops', to_department_id: 'dev' }],
      renamed: [{ user_id: '2', department_id: 'dev', from: 'Bo B.', to: 'user 2' }],
      retitled: [{ user_id: '1', department_id: 'dev', from: 'CTO', to: '' }],
      removed: [{ user_id: '3', department_id: 'ops' }],
    },
  })
  const news = await get(`?version=${rest.version}`)
  assert.deepEqual(
    [...news.departments, ...news.members].map((row) => [row.user_id ?? row.department_id, row.removed]),
    [
      ['dev', false],
      ['ops', true],
      ['2', false],
      ['1', false],
      ['2', true],
      ['3', true],
    ],
  )
  assert.equal(news.version, changed.body.version)
  assert.equal((await get()).version, changed.body.version)
})

test('two imports at the same moment are both applied, and their diffs tell one story', async () => {
  await put([], [], { allow_empty: true })
  const [one, other] = await Promise.all([put([root], [member(1, 'root')]), put([root], [member(2, 'root')])])
  const [first, last] = one.body.version < other.body.version ? [one, other] : [other, one]
  assert.deepEqual(first?.body.departments.added, ['root'])
  assert.deepEqual(last?.body.departments.added, [])
  assert.deepEqual(last?.body.members.moved, [])
  assert.deepEqual(last?.body.members.removed, first?.body.members.added)
  const { members } = await get()
  assert.deepEqual(
    members.map((row: { user_id: string }) => row.user_id),
    last?.body.members.added.map((row: { user_id: string }) => row.user_id),
  )
})

test('people are found by name and by department', async () => {
  await put(
    [root, department('sales', 'root', 'Vertrieb Süd'), department('eu', 'sales')],
    [member(1, 'root', { name: 'Jürgen' }), member(2, 'sales', { name: 'Zoë' }), member(3, 'eu')],
  )
  const found = async (query: Record<string, string>) => {
    const { status, body } = await call('GET', `/v1/org/members?${new URLSearchParams(query)}`)
    assert.equal(status, 200, JSON.stringify(body))
    return [body.members.map((each: { user_id: string }) => each.user_id), body.has_more]
  }
  assert.deepEqual(await found({ query: 'JÜR' }), [['1'], false])
  assert.deepEqual(await found({ query: 'süd' }), [['2'], false])
  assert.deepEqual(await found({ department_id: 'sales' }), [['3', '2'], false])
  assert.deepEqual(await found({ department_id: 'sales', query: 'user' }), [['3'], false])
  assert.deepEqual(await found({ department_id: 'root', limit: '2' }), [['1', '3'], true])
  const { body } = await call('GET', '/v1/org/members?query=zo')
  const [{ version: _, ...zoe }] = body.members
  assert.deepEqual(zoe, {
    user_id: '2',
    department_id: 'sales',
    department_name: 'Vertrieb Süd',
    name: 'Zoë',
    title: '',
  })
})

test('null is as good as missing', async () => {
  const made = await put([{ ...root, parent_id: null }], [member(4, 'root', { name: null, title: null })])
  assert.equal(made.status, 200, JSON.stringify(made.body))
})

test('an empty tree is refused unless it is meant', async () => {
  await put([root], [member(1, 'root')])
  const refused = await put([])
  assert.deepEqual([refused.status, refused.body.error.field], [400, 'departments'])
  assert.match(refused.body.error.message, /allow_empty/)
  assert.equal((await get()).members.length, 1)
  const meant = await put([], [], { allow_empty: true })
  assert.deepEqual([meant.status, meant.body.departments.removed], [200, ['root']])
  assert.deepEqual((await get()).members, [])
})

const long = 'x'.repeat(65)
const refusals: readonly [string, readonly object[], readonly object[], string][] = [
  ['a circle', [root, department('a', 'b'), department('b', 'a')], [], 'departments.1.parent_id'],
  ['an unknown parent', [root, department('a', 'b')], [], 'departments.1.parent_id'],
  ['a department twice', [root, root], [], 'departments.1.department_id'],
  ['two roots', [root, { department_id: 'b', name: 'b' }], [], 'departments.1.parent_id'],
  ['no root', [department('a', 'a')], [], 'departments.0.parent_id'],
  ['a member of no department', [root], [member(1, 'a')], 'members.0.department_id'],
  ['a member twice', [root], [member(1, 'root'), member(1, 'root')], 'members.1.user_id'],
  ['an unknown user', [root], [member(1, 'root'), member(77, 'root')], 'members.1.user_id'],
  ['a user id that is none', [root], [{ user_id: 'x', department_id: 'root' }], 'members.0.user_id'],
  ['a long department name', [{ ...root, name: long }], [], 'departments.0.name'],
  ['an empty department name', [{ ...root, name: '' }], [], 'departments.0.name'],
  ['a long member name', [root], [member(1, 'root', { name: long })], 'members.0.name'],
  ['an empty member name', [root], [member(1, 'root', { name: '' })], 'members.0.name'],
]
for (const [what, departments, members, field] of refusals)
  test(`${what} is refused, with its field, and changes nothing`, async () => {
    const before = await get()
    const { status, body } = await put(departments, members)
    assert.deepEqual([status, body.error?.code, body.error?.field], [400, 'BAD_REQUEST', field])
    assert.deepEqual(await get(), before)
  })

const questions: readonly [string, string, string][] = [
  ['a version from the future', '/v1/org?version=9007199254740991', 'version'],
  ['a version below 0', '/v1/org?version=-1', 'version'],
  ['a version that is no number', '/v1/org?version=x', 'version'],
  ['a page of 101', '/v1/org?limit=101', 'limit'],
  ['a search for nothing', '/v1/org/members', 'query'],
  ['a search for spaces', '/v1/org/members?query=%20', 'query'],
  ['a query of 65 characters', `/v1/org/members?query=${long}`, 'query'],
  ['U+0000 in a query', '/v1/org/members?query=%00', 'query'],
]
for (const [what, url, field] of questions)
  test(`${what} is refused with 400`, async () => {
    const { status, body } = await call('GET', url)
    assert.deepEqual([status, body.error?.field], [400, field], JSON.stringify(body))
  })

test('a body without the lists, or that is no JSON object, is refused', async () => {
  for (const body of [{}, { departments: [root] }, { members: [] }, { departments: {}, members: [] }, []])
    assert.equal((await call('PUT', '/v1/org', { body })).status, 400)
})

test('only app servers import and read over REST', async () => {
  const bearer = (await call('GET', '/v1/users/1/token')).body.token
  for (const [method, url] of [
    ['PUT', '/v1/org'],
    ['GET', '/v1/org'],
    ['GET', '/v1/org/members?query=a'],
  ] as const)
    assert.equal((await call(method, url, { bearer, body: method === 'PUT' ? {} : undefined })).status, 403)
})
