import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CIM } from '../proto/index.js'
import { number } from './helpers/wire.js'

const repository = join(import.meta.dirname, '../..') // from dist/test
const committed = join(repository, 'proto/gen')

test('the generated code is that of the .proto files: if not, `npm run proto`', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-proto-'))
  t.after(() => rmSync(folder, { recursive: true }))
  execFileSync(process.execPath, ['proto/generate.mjs', folder], { cwd: repository, stdio: 'pipe' })
  assert.deepEqual(readdirSync(folder), readdirSync(committed))
  for (const name of readdirSync(folder)) {
    const fresh = readFileSync(join(folder, name), 'utf8')
    assert.ok(fresh === readFileSync(join(committed, name), 'utf8'), `${name} is out of date`)
  }
})

test('a u64 is a number, exact below 2^53 and visibly unsafe from there on', () => {
  const latest = (id: bigint) =>
    CIM.Message.IMGetLatestMsgIdReq.decode(Buffer.concat([number(1, id), number(2, 1), number(3, 1)])).user_id
  assert.equal(latest(2n ** 53n - 1n), Number.MAX_SAFE_INTEGER)
  assert.equal(latest(2n ** 48n), 2 ** 48)
  for (const id of [2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n])
    assert.equal(Number.isSafeInteger(latest(id)), false)
})

test('an optional field that was not sent is null', () => {
  const ack = { from_user_id: 1, to_session_id: 2, msg_id: 'm', res_code: 0, session_type: 1 }
  const decoded = CIM.Message.IMMsgDataAck.decode(CIM.Message.IMMsgDataAck.encode(ack).finish())
  assert.equal(decoded.server_msg_id, null)
})
