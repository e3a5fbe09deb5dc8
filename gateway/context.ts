/** What the parts of a gate share. Made once, in main.ts. */
import type { Bus, OutgoingRecord } from '../schemas/bus.js'
import type { Config } from '../schemas/config.js'
import type { Logger } from '../schemas/log.js'
import type { Metrics } from '../schemas/metrics.js'
import type { TokenSigner } from '../schemas/tokens.js'
import type { Tracer } from '../schemas/tracer.js'
import type { Certificate, GateDirectory, GateFiles, GateIdentity, PageFiles, WorkerHealth } from './ports.js'
import type { Reports } from './reports.js'
import type { Targets } from './targets.js'

/** What the REST API needs of its gate. */
export interface HttpContext {
  readonly config: Config
  readonly identity: GateIdentity
  readonly bus: Bus
  readonly directory: GateDirectory
  readonly health: WorkerHealth
  readonly log: Logger
  readonly metrics: Metrics
  readonly tracer: Tracer
  /** What /metrics answers: text in the Prometheus format. */
  readonly exposition: () => Promise<string>
  readonly tokens: TokenSigner
  readonly files: GateFiles
  /** Worker roles without which nothing is served: each needs a live heartbeat for readyz. */
  readonly neededRoles: readonly string[]
  readonly certificate?: Certificate | undefined
  /** The web chat, where it is built; served in the local profile only. */
  readonly chatFiles?: PageFiles | undefined
  /** Pending calls register here; their id is the Origin's connection_id. */
  readonly targets: Targets
  /** What clients tell the business. */
  readonly reports: Reports
  /** Resolves when the bus has the records; rejects with BusUnavailable, at once while the lease is suspended. */
  publish(records: readonly OutgoingRecord[]): Promise<void>
  /** True: nothing may be forwarded; a call is answered with 503. */
  isSuspended(): boolean
  /** The gate's own part of readyz: listening, consuming, lease held, not draining. */
  isReady(): boolean
  /** False once the gate is stopping: it answers, and keeps no connection. */
  isOpen(): boolean
}
