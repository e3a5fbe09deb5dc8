/** Figures of this process for Prometheus. The one that counts for every room; see docs of each for the names. */
import {
  type Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Counter as PromCounter,
  Registry,
} from 'prom-client'

type Labels = Readonly<Record<string, string>>

const prefix = 'coffeechat_'
/** ms: from a hop on the bus to a delivery that waits for its deadline. */
const durationBuckets_ms = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]

export interface ProcessMetrics {
  /** Adds to a counter. A name must always come with the same label names. */
  count(name: string, labels?: Labels, by?: number): void
  /** Registers a value that is read when somebody asks. */
  gauge(name: string, read: () => number): void
  /** Notes how long something took, in ms. */
  duration(name: string, ms: number, labels?: Labels): void
  /** All of it as text in the Prometheus format. */
  exposition(): Promise<string>
}

const helpOf = (name: string): string => name.replaceAll('_', ' ')

/** @param common labels of every figure, e.g. the process's name */
export function createMetrics(common: Labels = {}): ProcessMetrics {
  const registry = new Registry()
  registry.setDefaultLabels(common)
  collectDefaultMetrics({ register: registry })
  const counters = new Map<string, Counter>()
  const histograms = new Map<string, Histogram>()

  /** The first use decides on the label names. */
  function counterOf(name: string, labels: Labels): Counter {
    const known = counters.get(name)
    if (known !== undefined) return known
    const settings = { name: `${prefix}${name}_total`, help: helpOf(name), labelNames: Object.keys(labels) }
    const counter = new PromCounter({ ...settings, registers: [registry] })
    counters.set(name, counter)
    return counter
  }

  function histogramOf(name: string, labels: Labels): Histogram {
    const known = histograms.get(name)
    if (known !== undefined) return known
    const histogram = new Histogram({
      name: `${prefix}${name}_ms`,
      help: helpOf(name),
      labelNames: Object.keys(labels),
      buckets: durationBuckets_ms,
      registers: [registry],
    })
    histograms.set(name, histogram)
    return histogram
  }

  return {
    count: (name, labels = {}, by = 1) => counterOf(name, labels).inc(labels, by),
    duration: (name, ms, labels = {}) => histogramOf(name, labels).observe(labels, ms),
    gauge(name, read) {
      new Gauge({
        name: `${prefix}${name}`,
        help: helpOf(name),
        registers: [registry],
        collect() {
          this.set(read())
        },
      })
    },
    exposition: () => registry.metrics(),
  }
}
