/** What stops `npm start` is one message that says what to do. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readCommand } from '../../../infra/local/commands.js'
import { takeFolder } from '../../../infra/local/folder.js'
import { requireRoles } from '../../../infra/local/roles.js'

test('a DATA_DIR that is a file, or lies in one, is told with what to do', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-data-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'file')
  writeFileSync(file, '')
  for (const path of [file, join(file, 'data')])
    await assert.rejects(takeFolder(path), (error: Error) => {
      assert.equal(error.name, 'CannotStart')
      assert.match(error.message, /^DATA_DIR: .*file.* cannot be written \(E.*\n.*another one: DATA_DIR=/)
      return true
    })
})

test('a role that there is not is told before anything starts', () => {
  assert.throws(() => requireRoles(['gatway']), /^CannotStart: ROLES: there is no role gatway; there are all/)
  requireRoles(['all'])
  requireRoles(['gateway', 'delivery'])
})

test('an option that npm took for itself is told with how to pass it on', () => {
  assert.throws(() => readCommand([], { npm_config_processes: 'true' }), /npm start -- --processes$/)
  assert.equal(readCommand(['--processes'], {}).processes, true)
})
