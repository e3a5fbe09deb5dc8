import assert from 'node:assert/strict'
import { test } from 'node:test'
import { read } from './checkout.js'
import { withPicture } from './picture.js'

test('the dataflow picture and the table of topics in ARCHITECTURE.md are what the code declares', () => {
  const text = read('ARCHITECTURE.md')
  assert.equal(text, withPicture(text), 'npm run picture writes them')
})
