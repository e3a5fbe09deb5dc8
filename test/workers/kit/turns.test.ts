import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takeTurns } from '../../../workers/kit/turns.js'

test('what arrives together shares a turn; what arrives meanwhile makes up the next', async () => {
  const turns: string[][] = []
  let release = () => {}
  const take = takeTurns<string>(async (items) => {
    turns.push([...items])
    if (turns.length === 1)
      await new Promise<void>((resolve) => {
        release = resolve
      })
  })
  const first = [take('a'), take('b')]
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  const second = [take('c'), take('d')]
  release()
  await Promise.all([...first, ...second])
  assert.deepEqual(turns, [
    ['a', 'b'],
    ['c', 'd'],
  ])
})

test('a failed turn is told to all of its items, and the next goes on', async () => {
  let failing = true
  const take = takeTurns<string>(async () => {
    if (failing) throw new Error('ill')
  })
  const results = await Promise.allSettled([take('a'), take('b')])
  assert.deepEqual(
    results.map((each) => each.status),
    ['rejected', 'rejected'],
  )
  failing = false
  await take('c')
})
