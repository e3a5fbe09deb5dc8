import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFrameReader } from '../../../gateway/codec/frame.js'
import { decodePacket, encodeBody } from '../../../gateway/codec/packet.js'
import { type CommandName, commands } from '../../../schemas/packets.js'
import { randomNumbers } from '../../helpers/random.js'
import { commandOf, vectors } from '../../vectors/load.js'

const names = Object.keys(commands) as CommandName[]

/** Some bytes changed, removed, doubled or added. */
function mutate(bytes: Buffer, next: (below: number) => number): Buffer {
  let mutated = Buffer.from(bytes)
  for (let changes = 1 + next(3); changes > 0; changes--) {
    const at = next(mutated.length + 1)
    const change = next(4)
    if (change === 0 && at < mutated.length) mutated[at] = next(256)
    if (change === 1) mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(at + 1 + next(4))])
    if (change === 2)
      mutated = Buffer.concat([mutated.subarray(0, at), Buffer.of(next(256)), mutated.subarray(at)])
    if (change === 3) mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(next(at + 1))])
  }
  return mutated
}

/** Either a reason in words, or a body that survives being written and read again. */
function assertDefinedAnswer(name: CommandName, bytes: Buffer): boolean {
  const first = decodePacket(name, bytes)
  if (!first.ok) {
    assert.match(first.reason, /^[a-z][a-z_ .:0-9^UF+-]*$/i)
    return false
  }
  const written = encodeBody(name, first.body as never)
  const second = decodePacket(name, Buffer.from(written))
  assert.deepEqual(second, first)
  return true
}

test('20,000 damaged bodies are each refused with a reason or decoded exactly', () => {
  const next = randomNumbers(20_260_101)
  const originals = vectors.packets.map(
    (vector) => [commandOf(vector), Buffer.from(vector.packet, 'hex').subarray(16)] as const,
  )
  let passed = 0
  for (let round = 0; round < 20_000; round++) {
    const [name, body] = originals[next(originals.length)]!
    const target = next(10) === 0 ? names[next(names.length)]! : name
    if (assertDefinedAnswer(target, mutate(body, next))) passed++
  }
  assert.ok(passed > 500 && passed < 15_000, `${passed} passed: too one-sided to prove much`)
})

test('random bytes as bodies are each refused with a reason or decoded exactly', () => {
  const next = randomNumbers(7)
  for (let round = 0; round < 5_000; round++) {
    const body = Buffer.from(Array.from({ length: next(40) }, () => next(256)))
    assertDefinedAnswer(names[next(names.length)]!, body)
  }
})

test('random bytes as a stream stop the reader or are held within the limit', () => {
  const next = randomNumbers(11)
  for (let round = 0; round < 2_000; round++) {
    const reader = createFrameReader({ maxPacketBytes: 1_024 })
    for (let pieces = next(20); pieces > 0; pieces--) {
      const piece = Buffer.from(Array.from({ length: next(60) }, () => (next(3) ? 0 : next(256))))
      const { violation } = reader.push(piece)
      assert.ok(reader.pendingBytes() < 1_024)
      if (violation) assert.equal(reader.pendingBytes(), 0)
    }
  }
})
