/** The hash by which all Kafka clients choose a partition for a key. kafkajs computes it with big integers. */

const multiplier = 0x5bd1e995
const seed = 0x9747b28c

/** Murmur2 of the key's UTF-8, as a signed 32-bit integer. */
export function murmur2(key: Buffer | string): number {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key
  const { length } = bytes
  let hash = seed ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    const mixed = Math.imul(bytes.readInt32LE(at), multiplier)
    hash = Math.imul(hash, multiplier) ^ Math.imul(mixed ^ (mixed >>> 24), multiplier)
  }
  if (at < length) {
    for (let rest = length - 1; rest >= at; rest--) hash ^= bytes[rest]! << (8 * (rest - at))
    hash = Math.imul(hash, multiplier)
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier)
  return hash ^ (hash >>> 15)
}
