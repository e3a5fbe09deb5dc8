/** The REST API tested from its own description: what a property-based tester finds to send never ends in a 5xx. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { run } from '../helpers/program.js'
import { pythonProgram } from '../helpers/python.js'
import { type System, startSystem } from '../helpers/system.js'

const found = pythonProgram('schemathesis', '4.32.5')
const skip = 'missing' in found ? found.missing : false
const program = 'program' in found ? found.program : ''

/** What the answers are held to: no server error, and nothing that the description does not say. */
const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
]
const examples = 4
/** Of what it says when it fails. */
const shown_characters = 6_000
/** About a minute on a machine of its own. */
const limit_ms = 420_000

let system: System
before(async () => {
  if (skip) return
  system = await startSystem()
  // Those that the description gives as examples.
  const users = ['1001', '1002'].map((user_id) => ({ user_id, nick_name: user_id }))
  await system.api.post('/v1/users:import', { users })
  await system.api.post('/v1/groups', { owner_id: '1001', group_name: 'g', members: ['1002'] })
})
after(() => system?.stop())

test('every call answers what is described, and none with a 5xx, whatever is sent', { skip }, async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'coffeechat-openapi-')) // it keeps notes where it runs
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  const command = [
    program,
    'run',
    `http://127.0.0.1:${system.http}/openapi.json`,
    ...['--header', `Authorization: Bearer ${system.apiKey}`],
    ...['--checks', checks.join(',')],
    ...['--phases', 'examples,coverage,fuzzing'],
    ...['--max-examples', String(examples), '--seed', '1'],
    ...['--continue-on-failure', '--generation-database', 'none', '--no-shrink', '--warnings', 'off'],
  ] as const
  const tester = run(command, { cwd })
  const late = setTimeout(() => tester.child.kill('SIGKILL'), limit_ms)
  const code = await tester.ended()
  clearTimeout(late)
  assert.equal(code, 0, tester.said().slice(0, shown_characters))
  t.diagnostic(/(\d+ generated|\d+ test cases).*/.exec(tester.said())?.[0] ?? '')
})
