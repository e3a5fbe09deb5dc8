/** Who records the spans of this process: nobody, unless a collector is set. */
import { hostname } from 'node:os'
import type { Config } from '../../schemas/config.js'
import type { Logger } from '../../schemas/log.js'
import type { Metrics } from '../../schemas/metrics.js'
import { noTracer, type Tracer } from '../../schemas/tracer.js'
import { releaseVersion } from '../release.js'

export interface ProcessTracer {
  readonly tracer: Tracer
  /** Posts what waits, for two seconds at most. Never rejects. */
  stop(): Promise<void>
}

/**
 * Nothing of OpenTelemetry is loaded where no endpoint is set.
 * @param roles of the process
 */
export async function createTracer(
  config: Config,
  roles: readonly string[],
  metrics: Metrics,
  log: Logger,
): Promise<ProcessTracer> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME } = config
  if (endpoint === undefined) return { tracer: noTracer, stop: async () => {} }
  const { startOtel } = await import('./otel.js')
  const resource = {
    'service.name': OTEL_SERVICE_NAME,
    'service.version': releaseVersion(),
    'service.instance.id': config.GATE_ID ?? `${hostname()}-${process.pid}`,
    'host.name': hostname(),
    'coffeechat.roles': roles.join(','),
  }
  return startOtel(endpoint, config, resource, metrics, log)
}
