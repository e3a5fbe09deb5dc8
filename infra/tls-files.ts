/** Certificates and keys from files: read and looked at, so that what is wrong with one is said by its setting. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import type { TlsFiles } from '../schemas/redis-settings.js'

function attempt<T>(setting: string, file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(`${setting}=${file}: ${(error as Error).message}`)
  }
}

const readFile = (setting: string, file: string): Buffer => attempt(setting, file, () => readFileSync(file))

/** @throws Error where it is no certificate, or has expired */
function readCertificate(setting: string, file: string): { pem: Buffer; certificate: X509Certificate } {
  const pem = readFile(setting, file)
  const certificate = attempt(setting, file, () => new X509Certificate(pem))
  if (Date.parse(certificate.validTo) < Date.now())
    throw new Error(`${setting}=${file} expired on ${certificate.validTo}: put a new one there`)
  return { pem, certificate }
}

/**
 * A certificate and its private key.
 * @throws Error that names the file, its setting and what is wrong with it
 */
export function readPair(
  certSetting: string,
  certFile: string,
  keySetting: string,
  keyFile: string,
): { cert: Buffer; key: Buffer } {
  const { pem, certificate } = readCertificate(certSetting, certFile)
  const key = readFile(keySetting, keyFile)
  const privateKey = attempt(keySetting, keyFile, () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey))
    throw new Error(`${keySetting}=${keyFile} is not the key of ${certSetting}=${certFile}`)
  return { cert: pem, key }
}

/**
 * TLS options towards an engine, from the files that its settings `<prefix>_CA`, `_CERT` and `_KEY` name.
 * @throws Error that names the file, its setting and what is wrong with it
 */
export function engineTls(prefix: string, { ca, cert, key, servername }: TlsFiles): ConnectionOptions {
  return {
    ...(ca === undefined ? {} : { ca: readCertificate(`${prefix}_CA`, ca).pem }),
    ...(cert === undefined || key === undefined
      ? {}
      : readPair(`${prefix}_CERT`, cert, `${prefix}_KEY`, key)),
    ...(servername === undefined ? {} : { servername }),
  }
}
