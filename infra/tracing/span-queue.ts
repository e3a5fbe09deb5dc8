/**
 * Ended spans on their way to the collector: a bounded queue, one post at a time. A collector that is away or slow costs
 * spans, which are counted, and nothing else.
 */
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import type { Logger } from '../../schemas/log.js'
import type { Metrics } from '../../schemas/metrics.js'

interface SpanQueueOptions {
  readonly exporter: Pick<SpanExporter, 'export' | 'shutdown'>
  readonly metrics: Metrics
  readonly log: Logger
  /** Spans that wait at most. */
  readonly limit?: number
  readonly batch?: number
  readonly delay_ms?: number
}

/** What a process that stops gives the last post. */
const lastPost_ms = 2_000
const exported = { outcome: 'exported' }
const failed = { outcome: 'failed' }
const dropped = { outcome: 'dropped' }

/** An empty queue. */
export function createSpanQueue(options: SpanQueueOptions): SpanProcessor {
  const { exporter, metrics, log, limit = 4_096, batch = 512, delay_ms = 1_000 } = options
  let waiting: ReadableSpan[] = []
  let timer: NodeJS.Timeout | undefined
  let posting: Promise<void> | undefined
  /** Told once, until it takes spans again. */
  let isAway = false

  function lost(labels: typeof failed, count: number, reason: string): void {
    metrics.count('trace_spans', labels, count)
    if (!isAway) log.warn({ reason }, 'spans are lost: the collector does not take them')
    isAway = true
  }

  const post = (spans: ReadableSpan[]): Promise<void> =>
    new Promise((resolve) => {
      exporter.export(spans, ({ code, error }) => {
        if (code === 0) {
          metrics.count('trace_spans', exported, spans.length)
          if (isAway) log.info({}, 'the collector takes spans again')
          isAway = false
        } else lost(failed, spans.length, error?.message.slice(0, 200) ?? 'no answer')
        resolve()
      })
    })

  async function postAll(): Promise<void> {
    while (waiting.length > 0) {
      const spans = waiting.slice(0, batch)
      waiting = waiting.slice(batch)
      await post(spans)
    }
  }

  const begin = (): void => {
    clearTimeout(timer)
    timer = undefined
    posting ??= postAll().finally(() => {
      posting = undefined
    })
  }

  return {
    onStart() {},
    onEnd(span) {
      if (waiting.length >= limit) return lost(dropped, 1, `${limit} spans wait for it`)
      waiting.push(span)
      if (waiting.length >= batch) begin()
      else timer ??= setTimeout(begin, delay_ms).unref()
    },
    async forceFlush() {
      begin()
      await posting
    },
    async shutdown() {
      begin()
      const late = new Promise<void>((resolve) => setTimeout(resolve, lastPost_ms).unref())
      await Promise.race([posting, late])
      void exporter.shutdown().catch(() => {})
    },
  }
}
