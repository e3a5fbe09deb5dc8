import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTokenSigner } from '../../infra/tokens.js'

const secret = 'a secret of this test'
const tokens = createTokenSigner([secret])
const greatest = 2 ** 48 - 1

test('a token verifies to the user and version that it was signed for', () => {
  assert.deepEqual(tokens.verify(tokens.sign(greatest, 7)), { user_id: greatest, version: 7 })
})

test('the same user and version always give the same token, which fits into its field', () => {
  assert.equal(tokens.sign(1, 1), createTokenSigner([secret]).sign(1, 1))
  assert.ok(tokens.sign(greatest, 2 ** 31).length <= 256)
})

test('the first secret signs, all verify', () => {
  const renewed = createTokenSigner(['the new secret of this test', secret])
  assert.deepEqual(renewed.verify(tokens.sign(1, 1)), { user_id: 1, version: 1 })
  assert.equal(tokens.verify(renewed.sign(1, 1)), undefined)
})

test('no secret, no signer', () => {
  assert.throws(() => createTokenSigner([]), /TOKEN_SECRET/)
})

const token = tokens.sign(1001, 1)
const reencoded = (change: (text: string) => string) =>
  Buffer.from(change(Buffer.from(token, 'base64url').toString())).toString('base64url')
const wrong = {
  empty: '',
  'not base64url': '!!!!',
  'with a space': ` ${token}`,
  padded: `${token}=`,
  'cut short': token.slice(0, -2),
  'for another user': reencoded((text) => text.replace('1001', '1002')),
  'of another version': reencoded((text) => text.replace('.1.', '.2.')),
  'with a leading zero': reencoded((text) => `0${text}`),
  'of a group’s id': tokens.sign(2 ** 48, 1),
  'far too long': 'A'.repeat(100_000),
}
for (const [how, each] of Object.entries(wrong))
  test(`a token ${how} is refused`, () => {
    assert.equal(tokens.verify(each), undefined)
  })

test('no single changed character goes unnoticed', () => {
  for (let at = 0; at < token.length; at++) {
    const other = token[at] === 'A' ? 'B' : 'A'
    assert.equal(tokens.verify(token.slice(0, at) + other + token.slice(at + 1)), undefined)
  }
})
