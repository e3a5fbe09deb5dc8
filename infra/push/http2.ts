/** One kept HTTP/2 connection to one server, opened when it is needed and again after it broke. */
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from 'node:http2'

export interface Http2Settings {
  /** https://host[:port] */
  readonly origin: string
  /** PEM; where it is not given, the authorities that Node trusts (NODE_EXTRA_CA_CERTS adds some). */
  readonly ca?: Buffer | undefined
}

export interface Http2Answer {
  readonly status: number
  /** Of this header, where there is exactly one. */
  header(name: string): string | undefined
  /** At most 64 KiB of it. */
  readonly body: string
}

export interface Http2Client {
  /**
   * POSTs `body`. Rejects with an Error whose `code` says why there is no answer: then nobody knows whether the
   * server has it.
   */
  post(path: string, headers: OutgoingHttpHeaders, body: string, timeout_ms: number): Promise<Http2Answer>
  close(): void
}

const longestAnswer_bytes = 64 * 1024
/** A server that says GOAWAY lets the requests in flight end: new ones go over a new connection. */
const endings = ['goaway', 'close', 'error'] as const

const fault = (code: string): Error => Object.assign(new Error(code), { code })

/** Connects with the first request. An idle connection does not keep the process alive. */
export function createHttp2Client({ origin, ca }: Http2Settings): Http2Client {
  let current: ClientHttp2Session | undefined

  function session(): ClientHttp2Session {
    if (current !== undefined && !current.closed && !current.destroyed) return current
    const opened = connect(origin, ca === undefined ? {} : { ca })
    for (const ending of endings)
      opened.on(ending, () => {
        if (current === opened) current = undefined
      })
    opened.unref()
    current = opened
    return opened
  }

  /** A connection that left a request without an answer may be dead: the next request gets a new one. */
  function suspect(asked: ClientHttp2Session): void {
    if (current === asked) current = undefined
    asked.close()
  }

  return {
    post: (path, headers, body, timeout_ms) =>
      new Promise((resolve, reject) => {
        const asked = session()
        const stream = asked.request({ ':method': 'POST', ':path': path, ...headers })
        const chunks: Buffer[] = []
        let size_bytes = 0
        let answered: Omit<Http2Answer, 'body'> | undefined
        const late = setTimeout(() => {
          suspect(asked)
          reject(fault('TimeoutError'))
          stream.close(constants.NGHTTP2_CANCEL)
        }, timeout_ms)
        stream.on('response', (received) => {
          const header = (name: string) => {
            const value = received[name]
            return typeof value === 'string' ? value : undefined
          }
          answered = { status: Number(received[':status']), header }
        })
        stream.on('data', (chunk: Buffer) => {
          size_bytes += chunk.length
          if (size_bytes <= longestAnswer_bytes) chunks.push(chunk)
        })
        stream.on('error', reject)
        stream.on('close', () => {
          clearTimeout(late)
          if (answered) resolve({ ...answered, body: Buffer.concat(chunks).toString('utf8') })
          else reject(fault(`HTTP2_RESET_${stream.rstCode ?? 0}`))
        })
        stream.end(body)
      }),

    close() {
      current?.destroy()
      current = undefined
    },
  }
}
