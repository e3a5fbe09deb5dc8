/** Where clients are told to find this gate. */
import type { Config } from '../schemas/config.js'
import type { GateAddresses } from './ports.js'

/** The ports that are bound; tls and wss only with a certificate. */
export interface BoundPorts {
  readonly tcp: number
  readonly tls?: number | undefined
  readonly http: number
}

const hostPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** As the ADVERTISED_ settings say, otherwise as bound. */
export function addressesOf(config: Config, ports: BoundPorts, hasCertificate: boolean): GateAddresses {
  const bound = (port: number) => hostPort(config.HOST, port)
  const ws = config.ADVERTISED_WS ?? (hasCertificate ? undefined : `ws://${bound(ports.http)}/ws`)
  const wss = config.ADVERTISED_WSS ?? (hasCertificate ? `wss://${bound(ports.http)}/ws` : undefined)
  const tls = config.ADVERTISED_TLS ?? (ports.tls === undefined ? undefined : bound(ports.tls))
  return {
    tcp: config.ADVERTISED_TCP ?? bound(ports.tcp),
    ...(tls === undefined ? {} : { tls }),
    ...(ws === undefined ? {} : { ws }),
    ...(wss === undefined ? {} : { wss }),
  }
}
