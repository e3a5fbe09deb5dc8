/** A file on its way in: looked at, counted, and handed to the store as it comes; never whole in memory. */
import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../../schemas/config.js'
import { type FileArgumentsOf, thumbnailOf } from '../../schemas/files.js'
import type { FileStore, Thumbnails } from '../ports.js'
import { badRequest, Fault } from './faults.js'
import { isAllowed, sniffed_bytes, typeOf } from './sniff.js'

/** A form may have other fields, before the file or after it; they are not looked at. */
const formLimits = { files: 1, fields: 16, fieldSize: 4_096, parts: 17, headerPairs: 64 }
/** What a form may have around its file. */
const around_bytes = 65_536
const longestName_bytes = 255
/** A connection that brings nothing of its upload for so long is closed. */
const silence_ms = 15_000

export interface Incoming {
  readonly name: string | null
  readonly mime: string
  /** To be read once, to its end. Fails with the Fault where the file is too large, and where the connection breaks. */
  readonly bytes: Readable
  /** Bytes so far. */
  size(): number
  /** Why it broke, on the uploader's side. */
  failure(): unknown
}

const tooLarge = (limit: number): Fault =>
  new Fault(413, 'TOO_LARGE', `a file may have ${limit} bytes`, { field: 'file' })

/** The last part of a path, without what controls terminals and headers; null where nothing is left. */
export function plainName(given: string | undefined): string | null {
  let name = (given ?? '')
    .replace(/^.*[/\\]/s, '')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu, '')
    .trim()
  while (Buffer.byteLength(name) > longestName_bytes) name = [...name].slice(0, -1).join('')
  return name === '' || /^\.+$/.test(name) ? null : name
}

const isUploaders = (error: unknown): boolean =>
  error instanceof Fault || (error as { statusCode?: number }).statusCode !== undefined

/** A form that ends too early, or is none, is its sender's fault; the parser does not say so itself. */
const unreadable = (error: unknown): unknown =>
  isUploaders(error) ? error : badRequest(`the form cannot be read: ${(error as Error).message}`, 'file')

/** What the uploader still has to send; where nothing comes of it, the connection ends, and so does the waiting. */
function expected<T>({ raw }: FastifyRequest, coming: Promise<T>): Promise<T> {
  const timer = setTimeout(() => raw.socket.destroy(), silence_ms)
  return coming
    .catch((error: unknown) => {
      throw unreadable(error)
    })
    .finally(() => clearTimeout(timer))
}

const stopping = new Fault(503, 'SERVER_BUSY', 'this gateway is stopping: upload it again', {
  retryAfter_s: 1,
})

/** Reads the first bytes. What was read is the beginning of the answer's `all` again. */
async function peek(
  bytes: AsyncIterable<Buffer>,
  request: FastifyRequest,
): Promise<{ head: Buffer; all: AsyncGenerator<Buffer> }> {
  const chunks = bytes[Symbol.asyncIterator]()
  const next = () => expected(request, chunks.next())
  let head: Buffer = Buffer.alloc(0)
  while (head.length < sniffed_bytes) {
    const { value, done } = await next()
    if (done) break
    head = Buffer.concat([head, value])
  }
  async function* all() {
    yield head
    for (let chunk = await next(); !chunk.done; chunk = await next()) yield chunk.value
  }
  return { head, all: all() }
}

/** What a file may have at most, and has to be reckoned with where the upload does not announce its size. */
export const unannounced_bytes = ({ FILE_MAX_BYTES, FILE_USER_DAILY_BYTES }: Config): number =>
  Math.min(FILE_MAX_BYTES, FILE_USER_DAILY_BYTES)

/**
 * Opens the file of a multipart form.
 * @param ending the file fails with the Fault 503 then
 * @throws Fault 400 without a file, 413 too large, 415 no form or a type that is not allowed
 */
export async function openUpload(
  request: FastifyRequest,
  config: Config,
  ending: AbortSignal,
): Promise<Incoming> {
  const { FILE_MAX_BYTES, FILE_TYPES } = config
  if (!request.isMultipart())
    throw new Fault(415, 'UNSUPPORTED_MEDIA_TYPE', 'a file comes as multipart/form-data')
  if (Number(request.headers['content-length'] ?? 0) > FILE_MAX_BYTES + around_bytes)
    throw tooLarge(FILE_MAX_BYTES)
  const limits = { ...formLimits, fileSize: unannounced_bytes(config) }
  const part = await expected(request, request.file({ limits, throwFileSizeLimit: false }))
  if (part === undefined) throw badRequest('file: the form has no file', 'file')
  const end = () => void part.file.destroy(stopping)
  ending.addEventListener('abort', end)
  part.file.once('close', () => ending.removeEventListener('abort', end))
  const { head, all } = await peek(part.file, request)
  if (head.length === 0) throw badRequest('file: it is empty', 'file')
  const mime = typeOf(head)
  if (!isAllowed(mime, FILE_TYPES))
    throw new Fault(415, 'UNSUPPORTED_MEDIA_TYPE', `${mime} is not taken here`, { field: 'file' })

  let size = 0
  let failure: unknown
  async function* counted() {
    try {
      for await (const chunk of all) {
        size += chunk.length
        yield chunk
      }
      if (part?.file.truncated) throw tooLarge(limits.fileSize)
    } catch (error) {
      // Where the store fails, its error is thrown in here too.
      if (isUploaders(error)) failure = error
      throw error
    }
  }
  return {
    name: plainName(part.filename),
    mime,
    bytes: Readable.from(counted(), { objectMode: false }),
    size: () => size,
    failure: () => failure,
  }
}

/** Stores the bytes and, of a picture, a small one. What it rejects with may be the uploader's fault (`failure`), or the store's. */
export async function storeUpload(
  file_id: string,
  incoming: Incoming,
  { store, thumbnails }: { store: FileStore; thumbnails: Thumbnails },
): Promise<Omit<FileArgumentsOf<'keep'>, 'user_id'>> {
  await store.write(file_id, incoming.bytes)
  const { name, mime } = incoming
  const isPicture = mime.startsWith('image/')
  const picture = isPicture ? await store.read(file_id) : undefined
  const thumbnail = picture && (await thumbnails.of(picture))
  if (thumbnail)
    await store.write(thumbnailOf(file_id), Readable.from([thumbnail.bytes], { objectMode: false }))
  return {
    file_id,
    name,
    mime,
    size: incoming.size(),
    width: thumbnail?.width ?? null,
    height: thumbnail?.height ?? null,
    has_thumbnail: thumbnail !== undefined,
  }
}
