/** Certificates and keys from files: read and looked at, so that what is wrong with one is said by its setting. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { ConfigError } from '../schemas/config.js'
import type { TlsFiles } from '../schemas/tls-files.js'

function attempt<T>(setting: string, file: string, read: () => T, instead?: string): T {
  try {
    return read()
  } catch (error) {
    throw new ConfigError([`${setting}=${file}: ${instead ?? (error as Error).message}`])
  }
}

const readFile = (setting: string, file: string): Buffer => attempt(setting, file, () => readFileSync(file))

const onePem = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** @throws ConfigError where there is none, one cannot be read, or none is valid now */
function readCertificates(setting: string, file: string): { pem: Buffer; certificates: X509Certificate[] } {
  const pem = readFile(setting, file)
  const found = pem.toString('latin1').match(onePem) ?? []
  if (found.length === 0) throw new ConfigError([`${setting}=${file}: no certificate in PEM`])
  const certificates = found.map((each) =>
    attempt(setting, file, () => new X509Certificate(each), 'a certificate that cannot be read'),
  )
  return { pem, certificates }
}

const isOver = ({ validTo }: X509Certificate): boolean => Date.parse(validTo) < Date.now()

function refuseOutside(setting: string, file: string, { validFrom, validTo }: X509Certificate): void {
  if (Date.parse(validTo) < Date.now())
    throw new ConfigError([`${setting}=${file} expired on ${validTo}: put a new one there`])
  if (Date.parse(validFrom) > Date.now())
    throw new ConfigError([
      `${setting}=${file} is valid from ${validFrom} only: is this machine's clock right?`,
    ])
}

/** Of one authority that is over and one that follows it, the second counts. */
function readAuthorities(setting: string, file: string): Buffer {
  const { pem, certificates } = readCertificates(setting, file)
  if (certificates.every(isOver)) refuseOutside(setting, file, certificates[0]!)
  return pem
}

/**
 * A certificate, with the chain after it, and its private key.
 * @throws ConfigError that names the file, its setting and what is wrong with it
 */
export function readPair(
  certSetting: string,
  certFile: string,
  keySetting: string,
  keyFile: string,
): { cert: Buffer; key: Buffer } {
  const { pem, certificates } = readCertificates(certSetting, certFile)
  const own = certificates[0]!
  const key = readFile(keySetting, keyFile)
  const privateKey = attempt(
    keySetting,
    keyFile,
    () => createPrivateKey(key),
    'no private key in PEM without a passphrase',
  )
  if (!own.checkPrivateKey(privateKey))
    throw new ConfigError([
      `${keySetting}=${keyFile} is not the key of ${certSetting}=${certFile}: put the two there that were made together`,
    ])
  refuseOutside(certSetting, certFile, own)
  return { cert: pem, key }
}

/**
 * TLS options towards an engine, from the files that its settings `<prefix>_CA`, `_CERT` and `_KEY` name.
 * @throws ConfigError that names the file, its setting and what is wrong with it
 */
export function engineTls(prefix: string, { ca, cert, key, servername }: TlsFiles): ConnectionOptions {
  return {
    ...(ca === undefined ? {} : { ca: readAuthorities(`${prefix}_CA`, ca) }),
    ...(cert === undefined || key === undefined
      ? {}
      : readPair(`${prefix}_CERT`, cert, `${prefix}_KEY`, key)),
    ...(servername === undefined ? {} : { servername }),
  }
}
