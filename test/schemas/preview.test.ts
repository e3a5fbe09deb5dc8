/** What a notification shows of a message: spec 1, "What is in msg_data". */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { previewOf } from '../../schemas/preview.js'

const text = (content: string) => previewOf(1, Buffer.from(content))

for (const [content, shown] of [
  ['hello', 'hello'],
  ['  two\n\nlines\t', 'two lines'],
  ['你好，世界 👋🏽', '你好，世界 👋🏽'],
  ['', '[message]'],
  [' \n', '[message]'],
  ['x'.repeat(100), 'x'.repeat(100)],
  ['x'.repeat(101), `${'x'.repeat(100)}…`],
  ['👩‍👩‍👧'.repeat(101), `${'👩‍👩‍👧'.repeat(100)}…`],
  ['好'.repeat(10_000), `${'好'.repeat(100)}…`],
] as const)
  test(`the text ${JSON.stringify([...content].slice(0, 5).join(''))} of ${content.length} units is shown on one line, at most 100 characters`, () => {
    assert.equal(text(content), shown)
  })

test('what is no text is named, also where it is not of its format', () => {
  const shown = [2, 3, 4, 5, 6, 7, 9, 100].map((type) => previewOf(type, Buffer.from('not json')))
  assert.deepEqual(shown, [
    '[picture]',
    '[audio]',
    '[video]',
    '[location]',
    '[notification]',
    '[file]',
    '[message]',
    '[message]',
  ])
  assert.equal(previewOf(1, Buffer.from([0x68, 0xff])), '[message]')
  assert.equal(previewOf(8, Buffer.from('a tip')), 'a tip')
})
