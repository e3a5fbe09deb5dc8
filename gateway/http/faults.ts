/** What a call is answered when it is refused (spec 4): a status and {"error": {code, message, field?}}. */
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CIM } from '../../proto/index.js'
import type { ErrorBody } from '../../schemas/user-operations.js'

const { CIMErrorCode, CIMResCode } = CIM.Def

/** Thrown by a handler: the call ends with this answer. */
export class Fault extends Error {
  override readonly name = 'Fault'
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly more: { readonly field?: string; readonly retryAfter_s?: number } = {},
  ) {
    super(message)
  }
}

export const errorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), field: z.string().optional() }),
})

export const badRequest = (message: string, field?: string): Fault =>
  new Fault(400, 'BAD_REQUEST', message, field === undefined ? {} : { field })

export const forbidden = (message: string): Fault => new Fault(403, 'FORBIDDEN', message)

/** Unknown or not done: the same call may be sent again. */
export const serverBusy = (): Fault =>
  new Fault(503, 'SERVER_BUSY', 'the server is busy or cannot reach its parts: send it again', {
    retryAfter_s: 1,
  })

const sendStatus: Readonly<Record<number, number>> = {
  [CIMResCode.kCIM_RES_CODE_ERROR]: 409,
  [CIMResCode.kCIM_RES_CODE_GROUP_NOT_EXIST]: 404,
  [CIMResCode.kCIM_RES_CODE_IN_BLACK]: 403,
  [CIMResCode.kCIM_RES_CODE_NOT_GROUP_MEMBER]: 403,
  [CIMResCode.kCIM_RES_CODE_MUTED]: 403,
  [CIMResCode.kCIM_RES_CODE_RATE_LIMITED]: 429,
  [CIMResCode.kCIM_RES_CODE_TOO_LARGE]: 413,
  [CIMResCode.kCIM_RES_CODE_NOT_FRIEND]: 403,
  [CIMResCode.kCIM_RES_CODE_USER_NOT_EXIST]: 404,
  [CIMResCode.kCIM_RES_CODE_SERVER_BUSY]: 503,
}
const sendMessages: Readonly<Record<number, string>> = {
  [CIMResCode.kCIM_RES_CODE_ERROR]: 'this msg_id names another message of the sender',
  [CIMResCode.kCIM_RES_CODE_GROUP_NOT_EXIST]: 'there is no such group',
  [CIMResCode.kCIM_RES_CODE_TOO_LARGE]: 'the message is too large',
  [CIMResCode.kCIM_RES_CODE_USER_NOT_EXIST]: 'the sender or the receiver does not exist',
}

/** A refused send: its code is the res_code's name. */
export function refusedSend(res_code: CIM.Def.CIMResCode): Fault {
  const code = CIMResCode[res_code].replace('kCIM_RES_CODE_', '')
  const status = sendStatus[res_code] ?? 500
  const retry = status === 429 || status === 503 ? { retryAfter_s: 1 } : {}
  return new Fault(status, code, sendMessages[res_code] ?? 'the message was refused', retry)
}

const requestStatus: Readonly<Record<number, number>> = {
  [CIMErrorCode.kCIM_ERR_NOT_AUTHENTICATED]: 401,
  [CIMErrorCode.kCIM_ERR_BAD_REQUEST]: 400,
  [CIMErrorCode.kCIM_ERR_FORBIDDEN]: 403,
  [CIMErrorCode.kCIM_ERR_NOT_FOUND]: 404,
  [CIMErrorCode.kCIM_ERR_RATE_LIMITED]: 429,
  [CIMErrorCode.kCIM_ERR_SERVER_BUSY]: 503,
}

/** A worker's ERROR_NOTIFY, as an app server reads it. */
export function refusedRequest({ result_code, result_string }: CIM.Login.ICIMErrorNotify): Fault {
  if (result_code === CIMErrorCode.kCIM_ERR_SERVER_BUSY) return serverBusy()
  const code = CIMErrorCode[result_code].replace('kCIM_ERR_', '')
  return new Fault(requestStatus[result_code] ?? 500, code, result_string || 'the request was refused')
}

const codeOfStatus: Readonly<Record<number, string>> = {
  404: 'NOT_FOUND',
  413: 'TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  503: 'SERVER_BUSY',
}

const wrongMedia = 'this content-type is not taken: application/json for calls, multipart/form-data for files'

/** Any error as a Fault; undefined for what is our own mistake. */
export function faultOf(error: unknown): Fault | undefined {
  if (error instanceof Fault) return error
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation
    const field = first?.instancePath.slice(1).replaceAll('/', '.')
    return badRequest(`${field || 'the body'}: ${first?.message ?? 'not valid'}`, field || undefined)
  }
  const { statusCode, message, code } = error as { statusCode?: number; message: string; code?: string }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new Fault(415, codeOfStatus[415]!, wrongMedia)
  if (statusCode === undefined || statusCode < 400 || (statusCode >= 500 && statusCode !== 503))
    return undefined
  return new Fault(statusCode, codeOfStatus[statusCode] ?? 'BAD_REQUEST', message)
}

export const errorBody = ({ code, message, more }: Fault): ErrorBody => ({
  error: { code, message, ...(more.field === undefined ? {} : { field: more.field }) },
})
