/** Certificates (X.509, ECDSA on P-256), made here so that no test needs openssl or keeps a key. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts)
const set = (...parts: Buffer[]): Buffer => der(0x31, ...parts)
const objectId = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'))
const octets = (content: Buffer): Buffer => der(0x04, content)
const bits = (content: Buffer): Buffer => der(0x03, Buffer.from([0]), content)
const yes = der(0x01, Buffer.from([0xff]))
const utcTime = (ms: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`))

const ecdsaWithSha256 = sequence(objectId('2a8648ce3d040302'))
const ids = { commonName: '550403', subjectAltName: '551d11', basicConstraints: '551d13' }
const day_ms = 86_400_000

const pem = (content: Buffer): Buffer =>
  Buffer.from(
    `-----BEGIN CERTIFICATE-----\n${content.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  )

const nameOf = (text: string): Buffer =>
  sequence(set(sequence(objectId(ids.commonName), der(0x0c, Buffer.from(text)))))

/** PEM of a certificate and its key, in PKCS#8. */
export interface KeyPair {
  readonly cert: Buffer
  readonly key: Buffer
}

interface Wish {
  readonly name: string
  readonly issuer: { readonly name: string; readonly key: KeyObject } | undefined
  readonly extensions: readonly Buffer[]
  /** Days from now. */
  readonly valid: readonly [from: number, to: number]
}

function make({ name, issuer, extensions, valid: [from, to] }: Wish): KeyPair & { privateKey: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const serial = randomBytes(8)
  serial[0]! &= 0x7f
  serial[0]! |= 0x40
  const body = sequence(
    ...(extensions.length === 0 ? [] : [der(0xa0, der(0x02, Buffer.from([2])))]),
    der(0x02, serial),
    ecdsaWithSha256,
    nameOf(issuer?.name ?? name),
    sequence(utcTime(Date.now() + from * day_ms), utcTime(Date.now() + to * day_ms)),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
  )
  const signature = bits(sign('sha256', body, issuer?.key ?? privateKey))
  return {
    cert: pem(sequence(body, ecdsaWithSha256, signature)),
    key: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    privateKey,
  }
}

/** PEM of a new key and its self-signed certificate for this common name, valid from yesterday to tomorrow. */
export const selfSigned = (name: string): KeyPair =>
  make({ name, issuer: undefined, extensions: [], valid: [-1, 1] })

export interface Authority {
  readonly cert: Buffer
  /** A certificate of this authority. @param hosts names and IPv4 addresses @param valid days from now */
  issue(name: string, hosts: readonly string[], valid?: readonly [from: number, to: number]): KeyPair
}

const isAddress = (host: string): boolean => /^\d+(\.\d+){3}$/.test(host)

const hostOf = (host: string): Buffer =>
  isAddress(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host))

/** An authority of the test's own. */
export function createAuthority(name: string): Authority {
  const isAuthority = sequence(objectId(ids.basicConstraints), yes, octets(sequence(yes)))
  const { cert, privateKey } = make({ name, issuer: undefined, extensions: [isAuthority], valid: [-2, 2] })
  return {
    cert,
    issue(subject, hosts, valid = [-1, 1]) {
      const isNone = sequence(objectId(ids.basicConstraints), octets(sequence()))
      const names = sequence(objectId(ids.subjectAltName), octets(sequence(...hosts.map(hostOf))))
      const extensions = hosts.length === 0 ? [isNone] : [isNone, names]
      const made = make({ name: subject, issuer: { name, key: privateKey }, extensions, valid })
      return { cert: made.cert, key: made.key }
    },
  }
}
