/**
 * The spans of one step of a worker: one per traced event that is handled, and one per traced event that follows. A step
 * handles many events at once, so the spans of its events begin and end together; each stays in its own trace.
 */
import {
  destination,
  publication,
  type Span,
  type SpanStart,
  spanWithin,
  type Tracer,
} from '../../schemas/tracer.js'
import { markedTrace, markTrace, type Trace } from '../../schemas/tracing.js'
import type { Emitted, Rejected } from './records.js'
import type { AnyWorker, Place } from './worker.js'

interface Traceable {
  readonly event: unknown
  place: Place
}

export interface StepSpans {
  /** Begins a span for each traced event; what follows from it belongs to that. */
  handled(entries: readonly Traceable[]): void
  /** Begins a span for each traced event that is about to be published. */
  published(emitted: readonly Emitted[]): readonly Emitted[]
  /** These events failed. */
  rejected(rejected: readonly Rejected[]): void
  /** @param failure of all of them: the events come again */
  end(failure?: string): void
}

function handling(worker: AnyWorker, prefix: string, place: Place, events: number): SpanStart {
  return {
    name: `process ${prefix}${worker.consumes.name}`,
    kind: 'consumer',
    attributes: {
      'messaging.system': 'kafka',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      ...destination(prefix, worker.consumes),
      'messaging.destination.partition.id': String(place.partition),
      'messaging.kafka.offset': place.offset,
      'messaging.consumer.group.name': prefix + worker.name,
      'messaging.batch.message_count': events,
    },
  }
}

/** Begins no span yet. */
export function createStepSpans(tracer: Tracer, worker: AnyWorker, prefix: string): StepSpans {
  const open = new Map<Trace, Span>()

  /** The trace of what follows. */
  function begin(trace: Trace | undefined, start: () => SpanStart): Trace | undefined {
    const span = spanWithin(tracer, trace, start)
    if (span === undefined) return trace
    open.set(span.trace, span)
    return span.trace
  }

  return {
    handled(entries) {
      for (const entry of entries) {
        const { place, event } = entry
        const start = () => handling(worker, prefix, place, entries.length)
        if (place.trace !== undefined)
          entry.place = { ...place, trace: begin(place.trace, start) ?? place.trace }
        for (const part of worker.consumes.parts?.(event) ?? []) {
          const trace = begin(markedTrace(part), start)
          if (trace !== undefined) markTrace(part, trace)
        }
      }
    },
    published: (emitted) =>
      emitted.map((each) => {
        const { topic, instance } = each.emit
        return each.trace === undefined
          ? each
          : { ...each, trace: begin(each.trace, () => publication(prefix, topic, instance)) }
      }),
    rejected(rejected) {
      for (const { trace, reason } of rejected)
        if (trace !== undefined) open.get(trace)?.end(reason.split(':')[0])
    },
    end(failure) {
      for (const span of open.values()) span.end(failure)
    },
  }
}

/** Of a process that records none. */
export const noSpans: StepSpans = {
  handled: () => {},
  published: (emitted) => emitted,
  rejected: () => {},
  end: () => {},
}
