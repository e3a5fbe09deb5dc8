/** A file on its way out: whole or a range of it, and nothing that a browser could run. */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ByteRange, FileStore } from '../ports.js'
import { Fault } from './faults.js'
import { isShown, unknownType } from './sniff.js'

/** What is served under one address; it never changes. */
export interface Served {
  /** In the store. */
  readonly stored_as: string
  /** In the ETag. */
  readonly version: string
  readonly name: string | null
  readonly mime: string
  /** bytes; ranges are served only where it is known */
  readonly size: number | undefined
}

const keptFor_s = 365 * 86_400

/**
 * The range that a header asks for: one, in bytes. Undefined: the whole file, which is the answer to anything that is
 * not understood. 'beyond': nothing of it is there.
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'beyond' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (from === '' && to === '') return undefined
  if (from === '')
    return to === '0' || size === 0 ? 'beyond' : { start: Math.max(0, size - Number(to)), end: size - 1 }
  if (to !== '' && Number(to) < Number(from)) return undefined
  if (Number(from) >= size) return 'beyond'
  return { start: Number(from), end: to === '' ? size - 1 : Math.min(Number(to), size - 1) }
}

const encoded = (name: string): string =>
  encodeURIComponent(name).replace(/['()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)

/** How a browser may treat it: shown only where it can be nothing but a picture, sound or film, and never run. */
function safeHeaders({ name, mime, version }: Served): Record<string, string> {
  const manner = isShown(mime) ? 'inline' : 'attachment'
  return {
    'content-type': isShown(mime) ? mime : unknownType,
    'content-disposition': name === null ? manner : `${manner}; filename*=UTF-8''${encoded(name)}`,
    'content-security-policy': "default-src 'none'; sandbox",
    'cross-origin-resource-policy': 'cross-origin',
    'referrer-policy': 'no-referrer',
    'cache-control': `private, max-age=${keptFor_s}, immutable`,
    etag: `"${version}"`,
  }
}

/**
 * Answers with the file: 200, 206 for a range, 304 where the caller has it.
 * @throws Fault 416 where nothing of the range is there, 404 where the bytes are gone; what the store throws
 */
export async function serve(
  request: FastifyRequest,
  reply: FastifyReply,
  file: Served,
  store: FileStore,
): Promise<FastifyReply> {
  const headers = safeHeaders(file)
  reply.headers(headers)
  if (request.headers['if-none-match']?.split(/, */).includes(headers.etag ?? ''))
    return reply.code(304).send()
  const { size } = file
  const condition = request.headers['if-range']
  const isSame = condition === undefined || condition === headers.etag
  const range = size === undefined || !isSame ? undefined : rangeOf(request.headers.range, size)
  if (size !== undefined) reply.header('accept-ranges', 'bytes')
  if (range === 'beyond') {
    reply.header('content-range', `bytes */${size}`).header('content-type', 'application/json')
    throw new Fault(416, 'RANGE_NOT_SATISFIABLE', `the file has ${size} bytes`)
  }
  const bytes = request.method === 'HEAD' ? Readable.from([]) : await store.read(file.stored_as, range)
  if (bytes === undefined) throw new Fault(404, 'FILE_NOT_FOUND', 'its bytes are gone')
  if (range !== undefined) {
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`)
    reply.header('content-length', range.end - range.start + 1)
  } else if (size !== undefined) reply.header('content-length', size)
  return reply.send(bytes)
}
