/**
 * Figures of this process for Prometheus. What is counted per packet costs a lookup and an addition: prom-client,
 * which hashes the labels each time, only gives the text, and the figures of Node.js.
 */
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import {
  type CounterName,
  exposedName,
  type GaugeName,
  type HistogramName,
  type MetricName,
  type Metrics,
  metrics,
} from '../../schemas/metrics.js'

type Labels = Readonly<Record<string, string>>

/** One line of the text. */
interface Sample {
  readonly metricName: string
  readonly labels: Labels
  readonly value: number
}

export interface ProcessMetrics extends Metrics {
  /** All of it as text in the Prometheus format. */
  exposition(): Promise<string>
}

const noLabels: Labels = {}

/** One child per set of labels, found by the object first: hot paths hand in the same one. */
function createChildren<Child>(make: () => Child) {
  const byObject = new WeakMap<Labels, Child>()
  const byText = new Map<string, { readonly labels: Labels; readonly child: Child }>()
  return {
    of(labels: Labels): Child {
      const known = byObject.get(labels)
      if (known !== undefined) return known
      const text = JSON.stringify(labels)
      const entry = byText.get(text) ?? { labels, child: make() }
      byText.set(text, entry)
      byObject.set(labels, entry.child)
      return entry.child
    },
    all: () => byText.values(),
  }
}

const createCounter = (name: CounterName) => {
  const children = createChildren(() => ({ value: 0 }))
  return {
    add(labels: Labels, by: number): void {
      children.of(labels).value += by
    },
    samples: (): Sample[] =>
      [...children.all()].map(({ labels, child }) => ({
        metricName: exposedName(name),
        labels,
        value: child.value,
      })),
  }
}

const createHistogram = (name: HistogramName) => {
  const { buckets } = metrics[name]
  const children = createChildren(() => ({
    // The last one is for what is above every bound.
    counts: new Array<number>(buckets.length + 1).fill(0),
    sum: 0,
  }))
  const metricName = exposedName(name)
  return {
    observe(labels: Labels, value: number): void {
      const child = children.of(labels)
      let at = 0
      while (at < buckets.length && value > buckets[at]!) at++
      child.counts[at]!++
      child.sum += value
    },
    samples: (): Sample[] =>
      [...children.all()].flatMap(({ labels, child: { counts, sum } }) => {
        let below = 0
        const lines = counts.map((count, at) => {
          below += count
          const le = at < buckets.length ? String(buckets[at]) : '+Inf'
          return { metricName: `${metricName}_bucket`, labels: { ...labels, le }, value: below }
        })
        const rest = [
          { metricName: `${metricName}_sum`, labels, value: sum },
          { metricName: `${metricName}_count`, labels, value: below },
        ]
        return [...lines, ...rest]
      }),
  }
}

function samplesOf(name: GaugeName, value: number | Iterable<readonly [Labels, number]>): Sample[] {
  const values: Iterable<readonly [Labels, number]> = typeof value === 'number' ? [[noLabels, value]] : value
  return [...values].map(([labels, each]) => ({ metricName: exposedName(name), labels, value: each }))
}

/** Makes the figures of this process; those that nobody has used yet are not in the text. */
export function createMetrics(): ProcessMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const counters = new Map<string, ReturnType<typeof createCounter>>()
  const histograms = new Map<string, ReturnType<typeof createHistogram>>()

  function register(name: MetricName, samples: () => Sample[]): void {
    const { kind, meaning } = metrics[name]
    const shown = { name: exposedName(name), help: meaning, type: kind, aggregator: 'sum' }
    // What the registry needs of a metric is its name and get().
    registry.registerMetric({
      ...shown,
      get: async () => ({ ...shown, values: samples() }),
    } as unknown as Metric)
  }

  function madeOnce<N extends MetricName, M extends { samples(): Sample[] }>(
    all: Map<string, M>,
    name: N,
    make: (name: N) => M,
  ): M {
    const made = make(name)
    all.set(name, made)
    register(name, made.samples)
    return made
  }

  return {
    count(name, labels?: Labels, by = 1) {
      const counter = counters.get(name) ?? madeOnce(counters, name, createCounter)
      counter.add(labels ?? noLabels, by)
    },
    observe(name, value, labels?: Labels) {
      const histogram = histograms.get(name) ?? madeOnce(histograms, name, createHistogram)
      histogram.observe(labels ?? noLabels, value)
    },
    gauge: (name, read) => register(name, () => samplesOf(name, read())),
    exposition: () => registry.metrics(),
  }
}
