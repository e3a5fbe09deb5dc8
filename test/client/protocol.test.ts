import assert from 'node:assert/strict'
import { test } from 'node:test'
import { read } from '../architecture/checkout.js'
import { clientProtocol } from '../architecture/client-protocol.js'

test('the protocol of the client library is that of the .proto files and the table of commands', () => {
  assert.equal(read('client/gen/protocol.ts'), clientProtocol(), 'npm run client-protocol writes it')
})
