/** Which ports our gateway listens on: chosen before it starts, so that local.json can tell them at once. */
import { isFree, listenerPort } from './ports.js'

export interface Listeners {
  /** host:port as a client on this machine reaches it */
  tcp(): string
  http(): string
  /** Those that could not have their usual port, in words. */
  moved(): string[]
  /** The gateway's settings; chooses again where another program was quicker. Once served, ports stay. */
  settings(served: boolean): Promise<NodeJS.ProcessEnv>
}

const listeners = [
  { name: 'TCP_PORT', title: 'TCP', standard: 8000 },
  { name: 'HTTP_PORT', title: 'HTTP', standard: 8080 },
  { name: 'TLS_PORT', title: 'TLS', standard: 8443 },
] as const
type ListenerName = (typeof listeners)[number]['name']

const reachable = (host: string): string =>
  host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host

/**
 * A port for health and metrics of each of these processes, from METRICS_PORT on. (The one process of a plain
 * `npm start` gives them on its HTTP port.)
 */
export async function chooseMetricsPorts(
  names: readonly string[],
  env: NodeJS.ProcessEnv,
  host: string,
): Promise<ReadonlyMap<string, number>> {
  const taken = new Set<number>()
  const standard = Number(env.METRICS_PORT) || 9101
  const ports = new Map<string, number>()
  for (const name of names)
    ports.set(name, await listenerPort({ name: 'METRICS_PORT', asked: undefined, standard }, host, taken))
  return ports
}

/** @param env the user's settings: a port that is set there is used or refused, never moved */
export async function chooseListeners(env: NodeJS.ProcessEnv, host: string): Promise<Listeners> {
  const wanted = listeners.filter(({ name }) => name !== 'TLS_PORT' || env.TLS_CERT)
  const ports = new Map<ListenerName, number>()

  async function choose(): Promise<void> {
    const taken = new Set<number>()
    for (const { name, standard } of wanted)
      ports.set(name, await listenerPort({ name, asked: env[name], standard }, host, taken))
  }
  const address = (name: ListenerName) => `${reachable(host)}:${ports.get(name)}`

  await choose()
  return {
    tcp: () => address('TCP_PORT'),
    http: () => address('HTTP_PORT'),
    moved: () =>
      wanted
        .filter(({ name, standard }) => !env[name] && ports.get(name) !== standard)
        .map(({ name, title, standard }) => `${title} is on ${ports.get(name)}: ${standard} is taken`),
    async settings(served) {
      const free = await Promise.all([...ports.values()].map((port) => isFree(port, host)))
      if (!served && free.includes(false)) await choose()
      return Object.fromEntries([...ports].map(([name, port]) => [name, String(port)]))
    },
  }
}
