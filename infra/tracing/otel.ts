/** Spans by the SDK of OpenTelemetry, over OTLP/HTTP. Loaded only where an endpoint is set: see tracer.ts. */
import {
  type Tracer as ApiTracer,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace as traceApi,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { AlwaysOnSampler, RandomIdGenerator, TracerProvider } from '@opentelemetry/sdk-trace'
import type { Config } from '../../schemas/config.js'
import type { Logger } from '../../schemas/log.js'
import type { Metrics } from '../../schemas/metrics.js'
import type { Attributes, Span, SpanStart, Tracer } from '../../schemas/tracer.js'
import { spanIdOf, type Trace, traceIdOf } from '../../schemas/tracing.js'
import { createSpanQueue } from './span-queue.js'
import type { ProcessTracer } from './tracer.js'

const kinds: Readonly<Record<SpanStart['kind'], SpanKind>> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
}

function spanOf(span: OtelSpan): Span {
  const { traceId, spanId } = span.spanContext()
  return {
    trace: `00-${traceId}-${spanId}-01`,
    set: (attributes) => void span.setAttributes(attributes),
    end(failure) {
      if (!span.isRecording()) return
      if (failure !== undefined)
        span.setStatus({ code: SpanStatusCode.ERROR, message: failure.slice(0, 200) })
      span.end()
    },
  }
}

/** Random ids, but of a trace whose id is given. */
function createIds() {
  const random = new RandomIdGenerator()
  let given: string | undefined
  return {
    generateSpanId: () => random.generateSpanId(),
    generateTraceId: () => given ?? random.generateTraceId(),
    /** Runs `begin` with this id for the trace that it begins. */
    under<T>(traceId: string | undefined, begin: () => T): T {
      given = traceId
      try {
        return begin()
      } finally {
        given = undefined
      }
    },
  }
}

/** Parent-based: what is sampled elsewhere is recorded here; of what begins here the ratio is. */
function tracerOn(otel: ApiTracer, ids: ReturnType<typeof createIds>, ratio: number): Tracer {
  const options = ({ kind, attributes }: SpanStart) => ({ kind: kinds[kind], attributes })
  return {
    picks: () => Math.random() < ratio,
    begin: (start, traceId) =>
      ids.under(traceId, () => spanOf(otel.startSpan(start.name, options(start), ROOT_CONTEXT))),
    continue(parent: Trace, start) {
      const context = {
        traceId: traceIdOf(parent),
        spanId: spanIdOf(parent),
        traceFlags: TraceFlags.SAMPLED,
        isRemote: true,
      }
      return spanOf(
        otel.startSpan(start.name, options(start), traceApi.setSpanContext(ROOT_CONTEXT, context)),
      )
    },
  }
}

/**
 * Records spans and posts them to `endpoint`/v1/traces.
 * @param resource what all spans of this process say
 */
export function startOtel(
  endpoint: string,
  config: Config,
  resource: Attributes,
  metrics: Metrics,
  log: Logger,
): ProcessTracer {
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
    headers: { ...config.OTEL_EXPORTER_OTLP_HEADERS },
    timeoutMillis: config.OTEL_EXPORTER_OTLP_TIMEOUT,
  })
  const ids = createIds()
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ ...resource }),
    sampler: new AlwaysOnSampler(),
    idGenerator: ids,
    spanProcessors: [createSpanQueue({ exporter, metrics, log })],
  })
  return {
    tracer: tracerOn(provider.getTracer('coffeechat'), ids, config.OTEL_TRACES_SAMPLER_ARG),
    stop: () => provider.shutdown(),
  }
}
