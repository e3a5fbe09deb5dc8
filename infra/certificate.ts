/** The certificate of the TLS and HTTPS listeners, from files that are read again while it serves. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { Certificate } from '../gateway/ports.js'
import type { Logger } from '../schemas/log.js'
import type { Metrics } from '../schemas/metrics.js'
import { readPair } from './tls-files.js'

const defaultLook_ms = 5_000

type Pair = ReturnType<Certificate['current']>

/** @throws Error that says why the pair cannot be used */
function read(certFile: string, keyFile: string): Pair {
  const pair = readPair('TLS_CERT', certFile, 'TLS_KEY', keyFile)
  createSecureContext(pair)
  return pair
}

/** When a certificate ends, in ms since 1970; of a chain its first. */
const endOf = (pem: Buffer): number => Date.parse(new X509Certificate(pem).validTo)

const contentOf = ({ cert, key }: Pair): string => `${cert.toString('latin1')}\0${key.toString('latin1')}`

/** What is in both files now; of a file that cannot be read, why. */
async function contentOfFiles(...files: readonly string[]): Promise<string> {
  const contents = await Promise.all(
    files.map((file) => readFile(file, 'latin1').catch((error: Error) => error.message)),
  )
  return contents.join('\0')
}

export interface RenewedCertificate extends Certificate {
  /** When the one that is in use ends, in ms since 1970. */
  expires_ms(): number
  stop(): void
}

/**
 * Reads the pair now, and looks every `look_ms` whether the files hold another, however they were replaced: written
 * over, renamed, or behind a link that leads elsewhere now. A pair that cannot be used is told once, and the former
 * one stays. Two files change one after the other: what does not fit is told only if the next look finds the same.
 * @throws Error where the first pair cannot be used
 */
export function createCertificate(
  certFile: string,
  keyFile: string,
  log: Logger,
  look_ms = defaultLook_ms,
): RenewedCertificate {
  let pair = read(certFile, keyFile)
  /** What was decided about. */
  let known = contentOf(pair)
  let doubted = ''
  const listeners: (() => void)[] = []

  function take(next: Pair): void {
    pair = next
    known = contentOf(pair)
    for (const listener of listeners) listener()
    const expires = new Date(endOf(pair.cert)).toISOString()
    log.info({ file: certFile, expires }, 'the renewed certificate is used from here on')
  }

  async function look(): Promise<void> {
    const content = await contentOfFiles(certFile, keyFile)
    // Back to what is in use, after a pair that was refused.
    if (content === contentOf(pair)) known = content
    if (content === known) return
    try {
      take(read(certFile, keyFile))
    } catch (error) {
      const isSettled = content === doubted
      doubted = content
      if (!isSettled) return
      known = content
      const { message } = error as Error
      log.error({ reason: message }, 'the changed certificate cannot be used; the former one stays')
    }
  }

  let looking = Promise.resolve()
  const timer = setInterval(() => {
    looking = looking.then(look)
  }, look_ms).unref()
  return {
    current: () => pair,
    onChange: (listener) => listeners.push(listener),
    expires_ms: () => endOf(pair.cert),
    stop: () => clearInterval(timer),
  }
}

/**
 * Registers for how long certificates of ours are valid, by the setting that names their file.
 * @param served of the listeners @param files of what is shown to engines, which is read now alone
 */
export function measureCertificates(
  served: RenewedCertificate | undefined,
  files: Readonly<Record<string, string | undefined>>,
  metrics: Metrics,
): void {
  const ends = Object.entries(files).flatMap(([setting, file]): [string, () => number][] => {
    const end = file === undefined ? undefined : readEnd(file)
    return end === undefined ? [] : [[setting, () => end]]
  })
  if (served !== undefined) ends.push(['TLS_CERT', served.expires_ms])
  metrics.gauge('certificate_expires_in_seconds', () =>
    ends.map(([setting, end_ms]) => [{ setting }, Math.round((end_ms() - Date.now()) / 1_000)] as const),
  )
}

/** Undefined where there is none: who needs the file has said so, or this process does not need it. */
function readEnd(file: string): number | undefined {
  try {
    return endOf(readFileSync(file))
  } catch {
    return undefined
  }
}
