/** The doors of a gate. */
import type { BoundPorts } from './addresses.js'
import { type HttpServer, startHttp } from './http/server.js'
import { createOrigins } from './origins.js'
import { type GatewayPorts, now, type Parts } from './parts.js'
import { createProxies } from './proxies.js'
import { type Listener, listenTcp, listenTls } from './tcp.js'
import { attachWs } from './ws.js'

export interface Listeners {
  readonly bound: BoundPorts
  readonly http: HttpServer
  /** No new TCP or TLS connections. */
  stop(): void
}

export interface Standing {
  isOpen(): boolean
  isReady(): boolean
}

/** Listens for clients: TCP, TLS where there is a certificate, HTTP with WebSocket. Rejects where a port cannot be bound. */
export async function listen(
  ports: GatewayPorts,
  parts: Parts,
  { isOpen, isReady }: Standing,
): Promise<Listeners> {
  const { config, certificate } = ports
  const { clients, admission } = parts
  const proxies = createProxies(config.TRUSTED_PROXIES)
  const max_packet_bytes = config.MAX_PACKET_BYTES
  const options = {
    clients,
    admission,
    proxies,
    max_packet_bytes,
    now,
    auth_timeout_ms: config.AUTH_TIMEOUT_MS,
  }
  const sockets: Listener[] = [await listenTcp(options, config.HOST, config.TCP_PORT)]
  if (certificate) sockets.push(await listenTls(options, certificate, config.HOST, config.TLS_PORT))
  const http = await startHttp({
    ...ports,
    targets: parts.targets,
    reports: parts.gate.reports,
    publish: parts.publisher.publish,
    isSuspended: parts.lease.isSuspended,
    isReady,
    isOpen,
  })
  const isAllowed = createOrigins(config.ALLOWED_ORIGINS)
  attachWs({ server: http.server, clients, admission, proxies, isAllowed, max_packet_bytes, now, isOpen })
  return {
    bound: { tcp: sockets[0]!.port, tls: sockets[1]?.port, http: http.port },
    http,
    stop() {
      for (const socket of sockets) socket.stop()
    },
  }
}
