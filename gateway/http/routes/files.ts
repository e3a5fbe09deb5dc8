/** Files: uploaded by users, named in messages, seen by who reads those (spec 4). */
import { randomBytes } from 'node:crypto'
import multipart from '@fastify/multipart'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import {
  type AnsweredFile,
  type FileAnswer,
  fileIdPattern,
  filePath,
  thumbnailOf,
} from '../../../schemas/files.js'
import { requireSelf } from '../access.js'
import { type Served, serve } from '../download.js'
import { badRequest, errorSchema, Fault, serverBusy } from '../faults.js'
import { beforeVerb, userId } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'
import { createSignedAddresses } from '../signed-addresses.js'
import { openUpload, storeUpload, unannounced_bytes } from '../upload.js'

const thumbnailType = 'image/webp'
/** How long uploads may still take once the server closes; they have had the time of the drain before. */
const lastUploads_ms = 5_000

const fileId = z.string().regex(fileIdPattern, 'a file id has 32 hexadecimal digits')
const filePathSchema = z.object({ file_id: fileId })
const signature = z.object({
  expires: z.string().max(16).optional().describe('of an address that was signed'),
  signature: z.string().max(64).optional(),
})

/** As the body of an IMAGE, AUDIO, VIDEO or FILE message has it, so that it can be sent as it is. */
const fileSchema = z.object({
  file_id: z.string(),
  url: z.string().describe('below the address of any gateway'),
  name: z.string().optional(),
  size: z.number().describe('bytes'),
  mime: z.string().describe('by the content'),
  width: z.number().optional().describe('pixels, of an image'),
  height: z.number().optional(),
  thumb_url: z.string().optional().describe('of an image: at most 320 × 320, WebP'),
})

const signedSchema = z.object({
  url: z.string(),
  thumb_url: z.string().optional(),
  expires: z.number().describe('ms'),
})

/** 128 random bits: nobody comes upon a file by guessing. */
const newFileId = (): string => randomBytes(16).toString('hex')

const about = (summary: string) => ({ tags: ['files'], summary })
const thumbPath = (file_id: string): string => `${filePath(file_id)}/thumbnail`

const fileJson = (file: AnsweredFile): z.output<typeof fileSchema> => ({
  file_id: file.file_id,
  url: filePath(file.file_id),
  ...(file.name === null ? {} : { name: file.name }),
  size: file.size,
  mime: file.mime,
  ...(file.width === null ? {} : { width: file.width }),
  ...(file.height === null ? {} : { height: file.height }),
  ...(file.has_thumbnail ? { thumb_url: thumbPath(file.file_id) } : {}),
})

function stored({ file }: FileAnswer): AnsweredFile {
  if (file === undefined) throw new Error('the answer holds no file')
  return file
}

/** Who uploads: a client for itself, an app server for the user that it names. */
function uploaderOf({ caller }: FastifyRequest, named: number | undefined): number {
  if (named !== undefined) requireSelf(caller, named)
  const uploader = caller.kind === 'client' ? caller.user_id : named
  if (uploader === undefined) throw badRequest('user_id: whose file is it?', 'user_id')
  return uploader
}

/** The disk of the folder, or the quota of its owner there. */
const isFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')

/** What is not the caller's fault is the store's: nobody can say how long that lasts. */
function storeFault(error: unknown, request: FastifyRequest, { log, config }: Rest['context']): Fault {
  if (error instanceof Fault) return error
  if (isFull(error)) {
    const setting = config.FILE_DIR === undefined ? 'DATA_DIR' : 'FILE_DIR'
    log.error(
      { error, request_id: request.id },
      `the disk of ${setting} is full: make room there or add to it; uploads are answered with 507 until then`,
    )
    return new Fault(507, 'NO_SPACE', 'there is no room for files: try again later', { retryAfter_s: 60 })
  }
  log.warn({ error, request_id: request.id }, 'the file store failed')
  return serverBusy()
}

async function upload(
  request: FastifyRequest,
  named: number | undefined,
  { context, calls }: Rest,
  ending: AbortSignal,
): Promise<AnsweredFile> {
  const { config, files, log } = context
  const user_id = uploaderOf(request, named)
  const incoming = await openUpload(request, config, ending)
  const size = Number(request.headers['content-length'] ?? unannounced_bytes(config))
  const reservation = { file_id: newFileId(), user_id, size }
  const { file_id = '', file } = await calls.onFile(request, 'reserve', reservation)
  if (file !== undefined) return file // an earlier call with the same Idempotency-Key
  const described = await storeUpload(file_id, incoming, files).catch(async (error: unknown) => {
    // The sweep finds what stays, by the reservation.
    await files.store.remove([file_id]).catch(() => log.warn({ file_id }, 'half a file was not removed'))
    // Where this fails too, what was reserved is free when the upload could no longer be under way.
    calls
      .onFile(request, 'release', { file_id, user_id })
      .catch((failure: unknown) => log.warn({ error: failure, file_id }, 'an upload was not released'))
    throw incoming.failure() ?? storeFault(error, request, context)
  })
  return stored(await calls.onFile(request, 'keep', { ...described, user_id }))
}

function uploadRoute(api: Api, rest: Rest): void {
  const ending = new AbortController()
  api.addHook('preClose', async () => void setTimeout(() => ending.abort(), lastUploads_ms).unref())
  api.post(
    '/v1/files',
    {
      config: { access: 'client', upload: true },
      schema: {
        ...about('Upload a file, as the field `file` of a form; a message names it by its url'),
        querystring: z.object({ user_id: userId.optional().describe('whose file it is, with an API key') }),
        response: { 201: fileSchema, 507: errorSchema, ...failures },
      },
    },
    async (request, reply) => {
      const file = await upload(request, request.query.user_id, rest, ending.signal).finally(() => {
        // What still comes of it is not read.
        if (!request.raw.complete) reply.header('connection', 'close')
      })
      return reply.code(201).send(fileJson(file))
    },
  )
}

/** The file, where the caller may see it; whoever has a signed address was judged when it was signed. */
async function look(request: FastifyRequest, file_id: string, { calls }: Rest): Promise<AnsweredFile> {
  const { caller } = request
  const user = caller.kind === 'client' ? { user_id: caller.user_id } : {}
  return stored(await calls.onFile(request, 'look', { file_id, ...user }))
}

const serveStored = (request: FastifyRequest, reply: FastifyReply, file: Served, { context }: Rest) =>
  serve(request, reply, file, context.files.store).catch((error: unknown) => {
    throw storeFault(error, request, context)
  })

function downloadRoutes(api: Api, rest: Rest): void {
  const config = { access: 'client', signed: true, download: true } as const
  api.get(
    '/v1/files/:file_id',
    {
      config,
      schema: {
        ...about('A file, or a range of it: for its uploader, and for readers of a message that names it'),
        params: filePathSchema,
        querystring: signature,
        response: failures,
      },
    },
    async (request, reply) => {
      const { file_id, name, mime, size } = await look(request, request.params.file_id, rest)
      return serveStored(request, reply, { stored_as: file_id, version: file_id, name, mime, size }, rest)
    },
  )

  api.get(
    '/v1/files/:file_id/thumbnail',
    {
      config,
      schema: {
        ...about('A small picture of an image, for who may see the image'),
        params: filePathSchema,
        querystring: signature,
        response: failures,
      },
    },
    async (request, reply) => {
      const { file_id, name, has_thumbnail } = await look(request, request.params.file_id, rest)
      if (!has_thumbnail) throw new Fault(404, 'NO_THUMBNAIL', 'there is no small picture of this file')
      const stored_as = thumbnailOf(file_id)
      const served = { stored_as, version: stored_as, name, mime: thumbnailType, size: undefined }
      return serveStored(request, reply, served, rest)
    },
  )
}

function signRoute(api: Api, rest: Rest): void {
  const addresses = createSignedAddresses(rest.context.files.signer, Date.now)
  api.post(
    `/v1/files/${beforeVerb('file_id')}::sign`,
    {
      config: { access: 'client' },
      schema: {
        ...about('An address of a file that needs no key for ten minutes: for the src of a page'),
        params: filePathSchema,
        response: { 200: signedSchema, ...failures },
      },
    },
    async (request) => {
      const { file_id, has_thumbnail } = await look(request, request.params.file_id, rest)
      const { query, expires } = addresses.sign(file_id)
      return {
        url: `${filePath(file_id)}?${query}`,
        ...(has_thumbnail ? { thumb_url: `${thumbPath(file_id)}?${query}` } : {}),
        expires,
      }
    },
  )
}

/** In a context of their own: elsewhere a form is no body. */
export function fileRoutes(api: Api, rest: Rest): void {
  void api.register(async (within) => {
    await within.register(multipart)
    const own = within as unknown as Api
    uploadRoute(own, rest)
    downloadRoutes(own, rest)
    signRoute(own, rest)
  })
}
