/** Who a client is behind a proxy that we trust: PROXY protocol v1 and v2, X-Forwarded-For (TRUSTED_PROXIES). */
import { BlockList, isIP } from 'node:net'

export interface Proxies {
  /** True where this peer may say whom it speaks for. */
  trusts(address: string): boolean
  /** The client of an HTTP request: the last address of X-Forwarded-For that is not a trusted proxy's. */
  clientOf(peer: string, forwarded_for: string | undefined): string
}

/** `::ffff:10.0.0.1` → `10.0.0.1`. */
export const plainAddress = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/i, '')

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

/**
 * @param trusted addresses, or subnets such as 10.0.0.0/8
 * @throws TypeError where one is neither
 */
export function createProxies(trusted: readonly string[]): Proxies {
  const list = new BlockList()
  for (const entry of trusted) {
    const [address = '', bits] = entry.split('/')
    if (isIP(address) === 0) throw new TypeError(`TRUSTED_PROXIES: ${entry} is not an address or a subnet`)
    if (bits === undefined) list.addAddress(address, family(address))
    else list.addSubnet(address, Number(bits), family(address))
  }
  const trusts = (address: string): boolean =>
    trusted.length > 0 && isIP(address) !== 0 && list.check(address, family(address))
  return {
    trusts,
    clientOf(peer, forwarded_for) {
      let client = peer
      const hops = forwarded_for?.split(',').map((hop) => plainAddress(hop.trim())) ?? []
      while (trusts(client) && hops.length > 0) {
        const hop = hops.pop()!
        if (isIP(hop) === 0) break
        client = hop
      }
      return client
    },
  }
}

/** What the first bytes of a connection say. */
export type ProxyHeader =
  | { readonly kind: 'partial' }
  /** Not PROXY protocol: the client's own bytes. */
  | { readonly kind: 'none' }
  | { readonly kind: 'invalid' }
  /** `address` is undefined where the proxy speaks for itself (health checks). */
  | { readonly kind: 'header'; readonly length: number; readonly address: string | undefined }

const signature1 = Buffer.from('PROXY ')
const signature2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const longest1 = 107
const fixed2 = 16
const longest2 = fixed2 + 536

const startsLike = (bytes: Buffer, signature: Buffer): boolean => {
  const length = Math.min(bytes.length, signature.length)
  return bytes.subarray(0, length).equals(signature.subarray(0, length))
}

/** Reads a PROXY header. No packet of ours and no TLS handshake begins like one. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return { kind: 'partial' }
  if (startsLike(bytes, signature1)) return readVersion1(bytes)
  if (startsLike(bytes, signature2)) return readVersion2(bytes)
  return { kind: 'none' }
}

function readVersion1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, longest1).indexOf('\r\n')
  if (end < 0) return { kind: bytes.length < longest1 ? 'partial' : 'invalid' }
  const [, protocol, source] = bytes.toString('latin1', 0, end).split(' ')
  const length = end + 2
  if (protocol === 'UNKNOWN') return { kind: 'header', length, address: undefined }
  if ((protocol !== 'TCP4' && protocol !== 'TCP6') || source === undefined || isIP(source) === 0)
    return { kind: 'invalid' }
  return { kind: 'header', length, address: plainAddress(source) }
}

const command2 = { local: 0x20, proxy: 0x21 }
const family2 = { tcp4: 0x11, tcp6: 0x21 }

function readVersion2(bytes: Buffer): ProxyHeader {
  if (bytes.length < fixed2) return { kind: 'partial' }
  const length = fixed2 + bytes.readUInt16BE(14)
  if (length > longest2) return { kind: 'invalid' }
  if (bytes.length < length) return { kind: 'partial' }
  const [command, protocol] = [bytes[12], bytes[13]]
  if (command === command2.local) return { kind: 'header', length, address: undefined }
  if (command !== command2.proxy) return { kind: 'invalid' }
  if (protocol === family2.tcp4 && length >= fixed2 + 12)
    return { kind: 'header', length, address: bytes.subarray(16, 20).join('.') }
  if (protocol === family2.tcp6 && length >= fixed2 + 36)
    return { kind: 'header', length, address: addressOfBytes(bytes.subarray(16, 32)) }
  return { kind: 'invalid' }
}

function addressOfBytes(bytes: Buffer): string {
  const words = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2))
  const mapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff
  return mapped ? bytes.subarray(12).join('.') : words.map((word) => word.toString(16)).join(':')
}
