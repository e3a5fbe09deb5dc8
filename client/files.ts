/** Files, over HTTP: uploaded with progress, named in messages, and shown by addresses that need no token. */
import { ChatError } from './chat-error.js'
import { MsgType } from './gen/protocol.js'
import type { ChatMessage } from './messages.js'
import type { ClientOptions } from './options.js'

/** A file as the body of an IMAGE, AUDIO, VIDEO or FILE message has it. */
export interface SentFile {
  /** `/v1/files/<id>`, below the address of any gateway. */
  readonly url: string
  readonly name?: string
  /** bytes */
  readonly size?: number
  /** By its content. */
  readonly mime?: string
  /** pixels, of an image */
  readonly width?: number
  readonly height?: number
  readonly thumb_url?: string
}

export interface UploadOptions {
  /** What it is called; the name of a File where it is not given. */
  readonly name?: string
  /** Bytes so far, and of all: several times in a browser, in Node at its end. */
  readonly onProgress?: (sent: number, total: number) => void
  /** Ends it. */
  readonly signal?: AbortSignal
}

/** Whole addresses, for the `src` of a page. */
export interface SignedFile {
  readonly url: string
  readonly thumb_url?: string
  /** ms: ten minutes from now */
  readonly expires: number
}

export interface Files {
  /** Rejects with a ChatError whose `code` is the API's: TOO_LARGE, UNSUPPORTED_MEDIA_TYPE … */
  upload(content: Blob, options?: UploadOptions): Promise<SentFile>
  /** For who may see it: its uploader, and readers of a message that names it. */
  sign(file: Pick<SentFile, 'url'>): Promise<SignedFile>
}

/** What an HTTP server answered. */
interface Answer {
  readonly status: number
  readonly text: string
}

/** Posts a body. Rejects with a ChatError where there was no answer. */
export type Post = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: FormData | undefined,
  options: Omit<UploadOptions, 'name'>,
) => Promise<Answer>

const unanswered = () => new ChatError('lost', 'the server did not answer')
const ended = () => new ChatError('closed', 'ended here')

/** By fetch, which tells no progress. */
export const overFetch: Post = async (url, headers, body, { onProgress, signal }) => {
  try {
    const request = { method: 'POST', headers, ...(body && { body }), ...(signal && { signal }) }
    const response = await fetch(url, request)
    const text = await response.text()
    onProgress?.(1, 1)
    return { status: response.status, text }
  } catch {
    throw signal?.aborted ? ended() : unanswered()
  }
}

/** What is used of an XMLHttpRequest. */
interface Call {
  readonly status: number
  readonly responseText: string
  readonly upload: { onprogress: ((event: { loaded: number; total: number }) => void) | null }
  onload: (() => void) | null
  onerror: (() => void) | null
  onabort: (() => void) | null
  open(method: string, url: string): void
  setRequestHeader(name: string, value: string): void
  send(body?: FormData): void
  abort(): void
}

export type CallClass = new () => unknown

/** By XMLHttpRequest, the only one in browsers that tells how far an upload is. */
export const overXhr =
  (Call: CallClass): Post =>
  (url, headers, body, { onProgress, signal }) =>
    new Promise((resolve, reject) => {
      const call = new Call() as Call
      if (signal?.aborted) return reject(ended())
      const abort = () => call.abort()
      const end = (settle: () => void) => () => {
        signal?.removeEventListener('abort', abort)
        settle()
      }
      call.open('POST', url)
      for (const [name, value] of Object.entries(headers)) call.setRequestHeader(name, value)
      if (onProgress) call.upload.onprogress = ({ loaded, total }) => onProgress(loaded, total)
      call.onload = end(() => resolve({ status: call.status, text: call.responseText }))
      call.onerror = end(() => reject(unanswered()))
      call.onabort = end(() => reject(ended()))
      signal?.addEventListener('abort', abort)
      call.send(body)
    })

/** Where the HTTP API is: the server, or the gateway behind the first WebSocket. */
function apiOf({ server, addresses = [] }: ClientOptions): string {
  if (server !== undefined) return server.replace(/\/+$/, '')
  const [, gateway] = addresses.map((each) => /^ws(s?:\/\/[^/]+)/.exec(each)).find(Boolean) ?? []
  if (gateway === undefined)
    throw new ChatError('closed', 'files need the option `server`, or an address of a WebSocket')
  return `http${gateway}`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The body of an answer. @throws ChatError where it is a refusal */
function accepted(what: string, { status, text }: Answer): unknown {
  const body = parsed(text)
  if (status >= 200 && status < 300 && body !== undefined) return body
  const { code = `${status}`, message = '' } =
    (body as { error?: { code?: string; message?: string } } | undefined)?.error ?? {}
  throw new ChatError('refused', `${what}: ${code}${message && ` (${message})`}`, undefined, code)
}

/** Calls with the user's token; works without a connection too. */
export function createFiles(options: ClientOptions, post: Post): Files {
  async function call(
    what: string,
    path: string,
    body?: FormData,
    more: Omit<UploadOptions, 'name'> = {},
  ): Promise<unknown> {
    const { token } = options
    const authorization = `Bearer ${typeof token === 'string' ? token : await token()}`
    return accepted(what, await post(`${apiOf(options)}${path}`, { authorization }, body, more))
  }
  return {
    async upload(content, { name, ...more } = {}) {
      const form = new FormData()
      const known = name ?? (content as { name?: string }).name
      if (known === undefined) form.append('file', content)
      else form.append('file', content, known)
      return (await call('not uploaded', '/v1/files', form, more)) as SentFile
    },
    async sign({ url }) {
      const path = /\/v1\/files\/[0-9a-f]{32}$/.exec(url)?.[0]
      if (path === undefined) throw new ChatError('refused', `${url} is no file of the server`)
      const signed = (await call('not shown', `${path}:sign`)) as SignedFile
      const whole = (address: string) => `${apiOf(options)}${address}`
      const thumb = signed.thumb_url === undefined ? {} : { thumb_url: whole(signed.thumb_url) }
      return { ...signed, url: whole(signed.url), ...thumb }
    },
  }
}

/** The type of a message with such a file. */
export function msgTypeOf({ mime = '' }: Pick<SentFile, 'mime'>): MsgType {
  const { IMAGE, AUDIO, VIDEO } = MsgType
  const [, kind] = /^(image|audio|video)\//.exec(mime) ?? []
  return kind === undefined ? MsgType.FILE : { image: IMAGE, audio: AUDIO, video: VIDEO }[kind]!
}

const withFiles: ReadonlySet<MsgType> = new Set([MsgType.IMAGE, MsgType.AUDIO, MsgType.VIDEO, MsgType.FILE])
const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
const number = (value: unknown) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined

/** The file that a message brings; undefined where it brings none, or its body is not what one looks like. */
export function fileOf({
  msg_type,
  msg_data,
}: Pick<ChatMessage, 'msg_type' | 'msg_data'>): SentFile | undefined {
  if (!withFiles.has(msg_type)) return undefined
  // Whoever sends may write anything.
  const body = parsed(new TextDecoder().decode(msg_data)) as Record<string, unknown> | null | undefined
  const url = text(body?.url)
  if (url === undefined) return undefined
  const told = {
    ...{ name: text(body?.name), mime: text(body?.mime), thumb_url: text(body?.thumb_url) },
    ...{ size: number(body?.size), width: number(body?.width), height: number(body?.height) },
  }
  return {
    url,
    ...(Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined)) as object),
  }
}
