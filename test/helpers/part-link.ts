/**
 * What stands between our processes and Kafka, PostgreSQL or Redis in a fault test, and fails as networks do. Unlike
 * tcp-proxy.ts it knows no protocol, holds back what it does not pass, and can be led to by brokers that tell
 * clients their own address.
 */
import net from 'node:net'

/** refused: connections are cut and new ones refused. frozen: nothing passes, nothing is closed. */
export type Manner = 'refused' | 'frozen'

export interface PartLink {
  /** host:port */
  readonly address: string
  fail(manner: Manner): Promise<void>
  /** New connections lead to another port of this machine; those that exist are cut. */
  leadTo(port: number): void
  /** All passes again; what a freeze held back arrives late. */
  heal(): Promise<void>
  close(): Promise<void>
}

interface Options {
  /** Answers tell clients where the brokers are: they are told of this link instead. */
  readonly rewriteAddress?: boolean
}

const host = '127.0.0.1'
const lengthBytes = 4

/** How Kafka writes a broker's address: the host, then the port in four bytes. */
function addressBytes(port: number): Buffer {
  const bytes = Buffer.alloc(host.length + 4)
  bytes.write(host, 'latin1')
  bytes.writeUInt32BE(port, host.length)
  return bytes
}

/** Passes whole answers on, each with its length before it, with every broker's address replaced. */
function addressRewriter(from: number, to: number, pass: (chunk: Buffer) => void): (chunk: Buffer) => void {
  const [theirs, ours] = [addressBytes(from), addressBytes(to)]
  let held: Buffer = Buffer.alloc(0)
  return (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    let whole = 0
    while (
      held.length >= whole + lengthBytes &&
      held.length >= whole + lengthBytes + held.readUInt32BE(whole)
    )
      whole += lengthBytes + held.readUInt32BE(whole)
    if (whole === 0) return
    const answers = Buffer.from(held.subarray(0, whole))
    held = held.subarray(whole)
    for (let at = answers.indexOf(theirs); at >= 0; at = answers.indexOf(theirs, at)) ours.copy(answers, at)
    pass(answers)
  }
}

const listen = (server: net.Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })

/** @param target a port of this machine */
export async function openPartLink(target: number, options: Options = {}): Promise<PartLink> {
  const sockets = new Set<net.Socket>()
  let led = target
  let frozen = false
  let port = 0

  function join(client: net.Socket): void {
    const part = net.connect({ host, port: led })
    const toClient = (chunk: Buffer) => void client.write(chunk)
    const answer = options.rewriteAddress ? addressRewriter(led, port, toClient) : toClient
    for (const [socket, other] of [
      [client, part],
      [part, client],
    ] as const) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.once('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (chunk: Buffer) => void part.write(chunk))
    part.on('data', answer)
    if (!frozen) return
    client.pause()
    part.pause()
  }

  const cutAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  const server = net.createServer(join)
  await listen(server, 0)
  port = (server.address() as net.AddressInfo).port

  return {
    address: `${host}:${port}`,
    async fail(manner) {
      frozen = manner === 'frozen'
      if (frozen) for (const socket of sockets) socket.pause()
      else {
        const closed = new Promise((resolve) => server.close(resolve))
        cutAll()
        await closed
      }
    },
    leadTo(other) {
      led = other
      cutAll()
    },
    async heal() {
      frozen = false
      for (const socket of sockets) socket.resume()
      if (!server.listening) await listen(server, port)
    },
    async close() {
      cutAll()
      if (server.listening) await new Promise((resolve) => server.close(resolve))
    },
  }
}
