/** Spans on their way to the collector: bounded, counted where they are lost, told once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSpanQueue } from '../../../infra/tracing/span-queue.js'

type Exporter = Parameters<typeof createSpanQueue>[0]['exporter']
type EndedSpan = Parameters<Exporter['export']>[0][number]

/** A queue of five spans, posted three at a time, and what it counted and said. */
function openQueue() {
  const counts: Record<string, number> = {}
  const lines: string[] = []
  const posts: { names: string[]; answer(error?: Error): void }[] = []
  const exporter: Exporter = {
    export: (spans, done) =>
      void posts.push({
        names: spans.map(({ name }) => name),
        answer: (error) => done(error === undefined ? { code: 0 } : { code: 1, error }),
      }),
    shutdown: async () => {},
  }
  const say = (_: object, text = '') => void lines.push(text)
  const queue = createSpanQueue({
    ...{ exporter, limit: 5, batch: 3 },
    delay_ms: 1,
    log: { debug: say, info: say, warn: say, error: say },
    metrics: {
      count(...[, labels, by]: unknown[]) {
        const { outcome } = labels as { outcome: string }
        counts[outcome] = (counts[outcome] ?? 0) + ((by as number | undefined) ?? 1)
      },
      observe() {},
      gauge() {},
    },
  })
  const add = (...names: string[]): void => {
    for (const name of names) queue.onEnd({ name } as EndedSpan)
  }
  return { queue, add, posts, counts, lines }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('one post at a time; what is too much meanwhile is dropped, counted, and told once', async () => {
  const { add, posts, counts, lines } = openQueue()
  add('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j')
  assert.deepEqual(
    posts.map(({ names }) => names),
    [['a', 'b', 'c']],
  )
  assert.deepEqual(counts, { dropped: 2 })
  posts[0]!.answer()
  await turn()
  assert.deepEqual(posts[1]?.names, ['d', 'e', 'f'])
  posts[1]!.answer(new Error('away'))
  await turn()
  posts[2]!.answer(new Error('away'))
  await turn()
  assert.deepEqual(counts, { dropped: 2, exported: 3, failed: 5 })
  assert.equal(
    lines.filter((line) => line.startsWith('spans are lost')).length,
    2,
    'again after a post that passed',
  )
})

test('few spans wait for others; once the collector takes them again that is told', async () => {
  const { queue, add, posts, lines } = openQueue()
  add('a')
  assert.equal(posts.length, 0)
  const flushed = queue.forceFlush()
  posts[0]!.answer(new Error('away'))
  await flushed
  add('b')
  const again = queue.forceFlush()
  posts[1]!.answer()
  await again
  assert.deepEqual(lines, [
    'spans are lost: the collector does not take them',
    'the collector takes spans again',
  ])
})

test('a process that stops posts what waits', async () => {
  const { queue, add, posts } = openQueue()
  add('a', 'b')
  const stopped = queue.shutdown()
  assert.deepEqual(posts[0]?.names, ['a', 'b'])
  posts[0]!.answer()
  await stopped
})
