/** The certificate of the TLS and HTTPS listeners, from files that are read again when they change. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import type { Certificate } from '../gateway/ports.js'
import type { Logger } from '../schemas/log.js'

const look_ms = 5_000

type Pair = ReturnType<Certificate['current']>

/** @throws Error that names the file and what is wrong with it */
function readPair(certFile: string, keyFile: string): Pair {
  const cert = readFile('TLS_CERT', certFile)
  const key = readFile('TLS_KEY', keyFile)
  const x509 = parse('TLS_CERT', certFile, () => new X509Certificate(cert))
  const privateKey = parse('TLS_KEY', keyFile, () => createPrivateKey(key))
  if (!x509.checkPrivateKey(privateKey))
    throw new Error(`TLS_KEY=${keyFile} is not the key of TLS_CERT=${certFile}`)
  if (Date.parse(x509.validTo) < Date.now())
    throw new Error(`TLS_CERT=${certFile} expired on ${x509.validTo}`)
  return { cert, key }
}

function readFile(setting: string, file: string): Buffer {
  return parse(setting, file, () => readFileSync(file))
}

function parse<T>(setting: string, file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(`${setting}=${file}: ${(error as Error).message}`)
  }
}

/**
 * Reads the pair now, and again whenever a file changes; a pair that does not fit is logged and not used.
 * @throws Error where the first pair cannot be used
 */
export function createCertificate(
  certFile: string,
  keyFile: string,
  log: Logger,
): Certificate & { stop(): void } {
  let pair = readPair(certFile, keyFile)
  const listeners: (() => void)[] = []
  const reload = () => {
    try {
      pair = readPair(certFile, keyFile)
      for (const listener of listeners) listener()
      log.info({ file: certFile }, 'certificate read again')
    } catch (error) {
      log.error({ error }, 'the changed certificate cannot be used; the former one stays')
    }
  }
  for (const file of [certFile, keyFile]) watchFile(file, { interval: look_ms, persistent: false }, reload)
  return {
    current: () => pair,
    onChange: (listener) => listeners.push(listener),
    stop() {
      for (const file of [certFile, keyFile]) unwatchFile(file, reload)
    },
  }
}
