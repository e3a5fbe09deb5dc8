import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProxies, readProxyHeader } from '../../gateway/proxies.js'

const version2 = (command: number, family: number, addresses: Buffer): Buffer => {
  const head = Buffer.from('0d0a0d0a000d0a515549540a00000000', 'hex')
  head[12] = command
  head[13] = family
  head.writeUInt16BE(addresses.length, 14)
  return Buffer.concat([head, addresses])
}
const tcp4 = Buffer.from('c0000201c633640157591f40', 'hex')
const tcp6 = Buffer.concat([Buffer.from('20010db8000000000000000000000001', 'hex'), Buffer.alloc(20)])

const headers: [string, Buffer, ReturnType<typeof readProxyHeader>][] = [
  [
    'v1',
    Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nrest'),
    { kind: 'header', length: 45, address: '192.0.2.1' },
  ],
  [
    'v1 of IPv6',
    Buffer.from('PROXY TCP6 2001:db8::1 ::1 1 2\r\n'),
    { kind: 'header', length: 32, address: '2001:db8::1' },
  ],
  [
    'v1 without a client',
    Buffer.from('PROXY UNKNOWN\r\n'),
    { kind: 'header', length: 15, address: undefined },
  ],
  ['v1 with a name for an address', Buffer.from('PROXY TCP4 localhost ::1 1 2\r\n'), { kind: 'invalid' }],
  ['v1 that does not end', Buffer.from(`PROXY TCP4 ${'1'.repeat(100)}`), { kind: 'invalid' }],
  ['the beginning of v1', Buffer.from('PRO'), { kind: 'partial' }],
  ['v2', version2(0x21, 0x11, tcp4), { kind: 'header', length: 28, address: '192.0.2.1' }],
  ['v2 of IPv6', version2(0x21, 0x21, tcp6), { kind: 'header', length: 52, address: '2001:db8:0:0:0:0:0:1' }],
  [
    'v2 of a health check',
    version2(0x20, 0x00, Buffer.alloc(0)),
    { kind: 'header', length: 16, address: undefined },
  ],
  ['v2 with too few addresses', version2(0x21, 0x11, tcp4.subarray(0, 8)), { kind: 'invalid' }],
  ['v2 that is longer than any', version2(0x21, 0x11, Buffer.alloc(600)), { kind: 'invalid' }],
  ['half of v2', version2(0x21, 0x11, tcp4).subarray(0, 20), { kind: 'partial' }],
  ['nothing yet', Buffer.alloc(0), { kind: 'partial' }],
  ['a packet of ours', Buffer.from('00000010000100000000010500010000', 'hex'), { kind: 'none' }],
]
for (const [name, bytes, expected] of headers)
  test(`a PROXY header, ${name}, is ${expected.kind}`, () => {
    assert.deepEqual(readProxyHeader(bytes), expected)
  })

test('a PROXY header is partial however it is cut', () => {
  for (const whole of [headers[0]![1].subarray(0, 45), headers[6]![1]])
    for (let length = 0; length < whole.length; length++)
      assert.equal(readProxyHeader(whole.subarray(0, length)).kind, 'partial')
})

test('X-Forwarded-For is believed as far as the proxies are ours', () => {
  const proxies = createProxies(['10.0.0.0/8', '::1'])
  assert.equal(proxies.clientOf('10.1.2.3', '203.0.113.9, 198.51.100.7, 10.9.9.9'), '198.51.100.7')
  assert.equal(proxies.clientOf('203.0.113.1', '198.51.100.7'), '203.0.113.1')
  assert.equal(proxies.clientOf('::1', undefined), '::1')
  assert.equal(proxies.clientOf('10.1.2.3', 'nonsense'), '10.1.2.3')
  assert.equal(proxies.trusts('10.200.0.1'), true)
  assert.equal(proxies.trusts('11.0.0.1'), false)
})

test('without trusted proxies nobody speaks for another', () => {
  assert.equal(createProxies([]).trusts('127.0.0.1'), false)
  assert.throws(() => createProxies(['proxy.internal']), /TRUSTED_PROXIES/)
})
