import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { holdLock, identityOf, isAlive, LockHeld, startOf } from '../../infra/local/lock.mjs'

const atOnce = { patience_ms: () => 0 }

function folderFor(t: { after(remove: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-lock-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

test('a process is known by its pid and start time until it ends', async () => {
  const child = spawn('sleep', ['60'])
  const identity = identityOf(child.pid ?? 0)
  assert.equal(isAlive(identity), true)
  assert.equal(isAlive({ ...identity, started: 'another time' }), false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(startOf(identity.pid), undefined)
  assert.equal(isAlive(identity), false)
})

test('a lock that a living process holds is refused, and names its holder', async (t) => {
  const path = join(folderFor(t), 'lock')
  const lock = await holdLock(path, atOnce)
  await assert.rejects(
    holdLock(path, atOnce),
    (error) => error instanceof LockHeld && error.holder.pid === process.pid,
  )
  lock.release()
  assert.equal(existsSync(path), false)
})

test('a lock that is given back is taken by who waits for it', async (t) => {
  const path = join(folderFor(t), 'lock')
  const first = await holdLock(path, atOnce)
  const second = holdLock(path, { patience_ms: () => 10_000, onWait: () => first.release() })
  ;(await second).release()
})

test('the lock of a dead process is taken over, with what it left in it', async (t) => {
  const path = join(folderFor(t), 'lock')
  const child = spawn('true')
  await once(child, 'exit')
  writeFileSync(path, JSON.stringify({ pid: child.pid, started: '1', children: [{ pid: 7, started: '2' }] }))
  const lock = await holdLock(path, atOnce)
  assert.deepEqual(lock.previous?.children, [{ pid: 7, started: '2' }])
  lock.release()
})

test('a lock whose pid is another program by now is taken over', async (t) => {
  const path = join(folderFor(t), 'lock')
  writeFileSync(path, JSON.stringify({ pid: process.pid, started: 'long ago' }))
  ;(await holdLock(path, atOnce)).release()
})

test('a lock file of nonsense is taken over', async (t) => {
  const path = join(folderFor(t), 'lock')
  writeFileSync(path, '{"pid":')
  ;(await holdLock(path, atOnce)).release()
})

test('of twenty who want the lock at once each has it once, one at a time, and nothing is left', async (t) => {
  const folder = folderFor(t)
  const path = join(folder, 'lock')
  let holders = 0
  const turns = Array.from({ length: 20 }, async () => {
    const lock = await holdLock(path, { patience_ms: () => 20_000 })
    holders += 1
    assert.equal(holders, 1)
    await new Promise(setImmediate)
    holders -= 1
    lock.release()
  })
  await Promise.all(turns)
  assert.deepEqual(readdirSync(folder), [])
})
