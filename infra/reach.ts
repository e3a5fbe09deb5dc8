/** Whether something listens at an address: a connection, over TLS where the URL says so, and nothing sent. */
import net from 'node:net'
import tls from 'node:tls'

const limit_ms = 5_000

/** @throws Error where nothing answers within 5 s, or its certificate is not to be trusted */
export async function reach(url: string): Promise<void> {
  const { protocol, hostname, port } = new URL(url)
  const isSecure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  const at = { host, port: Number(port || (isSecure ? 443 : 80)) }
  await new Promise<void>((resolve, reject) => {
    const socket = isSecure
      ? tls.connect({ ...at, ...(net.isIP(host) ? {} : { servername: host }) })
      : net.connect(at)
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      resolve()
      socket.destroy()
    })
    socket.setTimeout(limit_ms, () => socket.destroy(new Error(`no answer within ${limit_ms} ms`)))
    socket.once('error', (error: NodeJS.ErrnoException) => reject(new Error(error.code ?? error.message)))
  })
}
