/**
 * Files of users: their ids and addresses, how messages name them, and the calls about them (spec 4). A message passes
 * a file on by naming its address anywhere in msg_data, whole (https://…/v1/files/<id>) or from the path on.
 */
import { z } from 'zod'

/** 128 random bits in hexadecimal. */
export const fileIdPattern = /^[0-9a-f]{32}$/
const userId = z.number().int().positive()
const fileId = z.string().regex(fileIdPattern)

/** Where a file is, below any gateway's address. */
export const filePath = (fileId: string): string => `/v1/files/${fileId}`

/** The name of a file's thumbnail in the store. */
export const thumbnailOf = (fileId: string): string => `${fileId}.thumbnail`

/** Files that one message can pass on; it may name more. */
const namedAtMost = 20
const marker = Buffer.from('files')
/** JSON may write a slash as \/. */
const address = /\/v1\\?\/files\\?\/([0-9a-f]{32})(?![0-9a-f])/g

/** The ids of the files that msg_data names, each once, the first twenty. Nearly all messages name none: that is quick. */
export function filesNamedIn(msg_data: Uint8Array): string[] {
  const bytes = Buffer.from(msg_data.buffer, msg_data.byteOffset, msg_data.byteLength)
  if (!bytes.includes(marker)) return []
  const ids = new Set<string>()
  for (const [, id] of bytes.toString('latin1').matchAll(address)) {
    if (ids.size === namedAtMost) break
    if (id !== undefined) ids.add(id)
  }
  return [...ids]
}

/** What is known of a file once its bytes are stored. */
const description = {
  name: z.string().nullable(),
  /** By its content, never by what the uploader says. */
  mime: z.string(),
  /** bytes */
  size: z.number().int(),
  /** pixels, of an image */
  width: z.number().int().nullable(),
  height: z.number().int().nullable(),
  has_thumbnail: z.boolean(),
}

/** The arguments of each operation, as they travel on request.file. */
export const fileOperations = {
  /** Before its bytes are stored, so that what a broken upload leaves is known and removed. */
  reserve: z.object({
    file_id: fileId,
    user_id: userId,
    /** As the upload announces it, bytes, with what a form has around it; else the most that it may have. */
    size: z.number().int().optional(),
  }),
  /** Its upload failed: what was reserved for it is free again. */
  release: z.object({ file_id: fileId, user_id: userId }),
  /** Its bytes are stored. */
  keep: z.object({ file_id: fileId, user_id: userId, ...description }),
  /** What it is, if this user may see it; without a user, if it is there at all. */
  look: z.object({ file_id: fileId, user_id: userId.optional() }),
} as const

export type FileOperation = keyof typeof fileOperations
export type FileArgumentsOf<O extends FileOperation> = z.output<(typeof fileOperations)[O]>

/** An operation with its arguments, checked. */
export type FileCall = {
  [O in FileOperation]: { operation: O; arguments: FileArgumentsOf<O> }
}[FileOperation]

/**
 * Reads an operation from an event.
 * @throws Error where there is no such operation, or the arguments are not its own
 */
export function parseFileCall(operation: string, json: string): FileCall {
  if (!Object.hasOwn(fileOperations, operation)) throw new Error(`no such operation: ${operation}`)
  const schema: z.ZodType = fileOperations[operation as FileOperation]
  return { operation, arguments: schema.parse(JSON.parse(json)) } as FileCall
}

const answeredFile = z.object({ file_id: fileId, user_id: userId, created: z.number(), ...description })

/** What the worker answers to an operation that it could serve. */
export const fileAnswer = z.object({
  /** The id that was reserved: an earlier one where the call has the Idempotency-Key of an earlier call. */
  file_id: fileId.optional(),
  /** Absent while its bytes are not stored. */
  file: answeredFile.optional(),
})
export type FileAnswer = z.output<typeof fileAnswer>
/** A stored file. */
export type AnsweredFile = z.output<typeof answeredFile>
