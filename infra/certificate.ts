/** The certificate of the TLS and HTTPS listeners, from files that are read again when they change. */
import { unwatchFile, watchFile } from 'node:fs'
import type { Certificate } from '../gateway/ports.js'
import type { Logger } from '../schemas/log.js'
import { readPair } from './tls-files.js'

const look_ms = 5_000

type Pair = ReturnType<Certificate['current']>

const read = (certFile: string, keyFile: string): Pair => readPair('TLS_CERT', certFile, 'TLS_KEY', keyFile)

/**
 * Reads the pair now, and again whenever a file changes; a pair that does not fit is logged and not used.
 * @throws ConfigError where the first pair cannot be used
 */
export function createCertificate(
  certFile: string,
  keyFile: string,
  log: Logger,
): Certificate & { stop(): void } {
  let pair = read(certFile, keyFile)
  const listeners: (() => void)[] = []
  const reload = () => {
    try {
      pair = read(certFile, keyFile)
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
