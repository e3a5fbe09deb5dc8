/** Ports for the local stack. */
import { createServer } from 'node:net'
import { CannotStart } from './terminal.js'

/** Whether a listener could bind to it now. */
export function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

// Below the range from which the kernel takes ports for outgoing connections: there a connection of
// anybody could take a part's port while that part is being restarted.
const lowest = 18_000
const highest = 32_000

/** A free port for a part; the `earlier` one where that is still free. */
export async function partPort(earlier: number | undefined, taken: Set<number>): Promise<number> {
  for (let port = earlier; ; port = lowest + Math.floor(Math.random() * (highest - lowest)))
    if (port !== undefined && !taken.has(port) && (await isFree(port))) {
      taken.add(port)
      return port
    }
}

/**
 * The port of one of our listeners: the one that was asked for, or else the first free one from `standard` on.
 * @throws CannotStart when it was asked for and is taken
 */
export async function listenerPort(
  setting: { name: string; asked: string | undefined; standard: number },
  host: string,
  taken: Set<number>,
): Promise<number> {
  const { name, asked, standard } = setting
  if (asked !== undefined && asked !== '' && asked !== '0') {
    if (!(await isFree(Number(asked), host)))
      throw new CannotStart(`${name}=${asked} is taken: another program listens on ${host}:${asked}.`)
    taken.add(Number(asked))
    return Number(asked)
  }
  for (let port = standard; port < 65_536; port++)
    if (!taken.has(port) && (await isFree(port, host))) {
      taken.add(port)
      return port
    }
  throw new CannotStart(`${name}: no free port from ${standard} on.`)
}
