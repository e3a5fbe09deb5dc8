/** The port to whoever records spans: who begins one knows no more of OpenTelemetry than this. */
import { type AnyTopic, fullName } from './topics.js'
import { isSampled, type Trace } from './tracing.js'

export type Attributes = Readonly<Record<string, string | number>>

/** What a span says from its begin on; names of attributes are those of OpenTelemetry where it has one. */
export interface SpanStart {
  readonly name: string
  readonly kind: 'server' | 'client' | 'producer' | 'consumer'
  readonly attributes: Attributes
}

/** A piece of work that is recorded. */
export interface Span {
  /** What follows from it belongs to this. */
  readonly trace: Trace
  set(attributes: Attributes): void
  /** Once; later calls do nothing. @param failure why it failed, without what users wrote */
  end(failure?: string): void
}

export interface Tracer {
  /** Whether a trace that begins now is to be recorded: chance, by the ratio. */
  picks(): boolean
  /** Begins a trace. @param traceId 32 hexadecimal digits; a random one where it is not given */
  begin(start: SpanStart, traceId?: string): Span
  /** Begins a span within a trace that is sampled; undefined where nobody records. */
  continue(parent: Trace, start: SpanStart): Span | undefined
}

/** Records nothing. */
export const noTracer: Tracer = {
  picks: () => false,
  begin: () => {
    throw new Error('nobody records')
  },
  continue: () => undefined,
}

/** A span within a trace, where there is one and it is sampled. @param start called only then */
export const spanWithin = (
  tracer: Tracer,
  trace: Trace | undefined,
  start: () => SpanStart,
): Span | undefined =>
  trace !== undefined && tracer !== noTracer && isSampled(trace) ? tracer.continue(trace, start()) : undefined

/** The span of a publication (OpenTelemetry, "Semantic conventions for Kafka"). */
export const publication = (prefix: string, topic: AnyTopic, instance?: string): SpanStart => ({
  name: `publish ${prefix}${topic.name}`,
  kind: 'producer',
  attributes: {
    'messaging.system': 'kafka',
    'messaging.operation.name': 'publish',
    'messaging.operation.type': 'send',
    ...destination(prefix, topic, instance),
  },
})

/** Where an event goes to or comes from. Of topics that are one per gate spans have the common name. */
export const destination = (prefix: string, topic: AnyTopic, instance?: string): Attributes =>
  instance === undefined
    ? { 'messaging.destination.name': prefix + topic.name }
    : {
        'messaging.destination.name': fullName(prefix, topic, instance),
        'messaging.destination.template': prefix + topic.name,
      }

/** Runs what publishes an event within a span of its own, where its trace is recorded. */
export async function publishWithin(
  tracer: Tracer,
  trace: Trace | undefined,
  start: () => SpanStart,
  publish: (trace: Trace | undefined) => Promise<void>,
): Promise<void> {
  const span = spanWithin(tracer, trace, start)
  try {
    await publish(span?.trace ?? trace)
    span?.end()
  } catch (error) {
    span?.end(error instanceof Error ? error.name : 'failed')
    throw error
  }
}
