/** A server that speaks S3 on a folder of its own, and checks the signature of every request: nanio. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './port.js'
import { run } from './program.js'
import { pythonProgram } from './python.js'
import { conditionHolds } from './wait.js'

const found = pythonProgram('nanio', '0.1.7')
const startWithin_ms = 30_000

/** Why there is no such server here, or false: for `skip`. */
export const noS3Server = 'missing' in found ? found.missing : false

export interface S3Server {
  /** The settings of a process that keeps its files there. */
  readonly settings: {
    readonly FILE_STORE: 's3'
    readonly S3_BUCKET: string
    readonly S3_ENDPOINT: string
    readonly S3_PATH_STYLE: 'true'
    readonly S3_ACCESS_KEY_ID: string
    readonly S3_SECRET_ACCESS_KEY: string
  }
  close(): Promise<void>
}

/** Listens on loopback, with one empty bucket. @throws where there is no such server */
export async function startS3Server(): Promise<S3Server> {
  if ('missing' in found) throw new Error(found.missing)
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-s3-'))
  const bucket = 'pictures'
  mkdirSync(join(folder, bucket))
  const port = await freePort()
  const keys = { NANIO_ACCESS_KEY: 'key-of-the-tests', NANIO_SECRET_KEY: 'secret-of-the-tests' }
  const where = ['--host', '127.0.0.1', '--port', String(port), '--data-dir', folder]
  const server = run([found.program, 'serve', ...where, '--no-access-log'], { env: keys })
  const endpoint = `http://127.0.0.1:${port}`
  const answers = () =>
    fetch(endpoint).then(
      () => true,
      () => false,
    )
  await conditionHolds('the S3 server answers', answers, startWithin_ms).catch((error: Error) => {
    throw new Error(`${error.message}; it said:\n${server.said()}`)
  })
  return {
    settings: {
      FILE_STORE: 's3',
      S3_BUCKET: bucket,
      S3_ENDPOINT: endpoint,
      S3_PATH_STYLE: 'true',
      S3_ACCESS_KEY_ID: keys.NANIO_ACCESS_KEY,
      S3_SECRET_ACCESS_KEY: keys.NANIO_SECRET_KEY,
    },
    async close() {
      await server.end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
