/** What processes say of themselves at /metrics. */
import { exposedName, type MetricName } from '../../schemas/metrics.js'
import type { SystemProcess } from './system.js'

/** Values by sample: its name, and its labels as they are written. */
export type Figures = ReadonlyMap<string, number>

/** Needs METRICS_PORT in the system's settings. */
export async function figuresOf({ metricsPort }: SystemProcess): Promise<Figures> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

/** Of all samples of a metric that have these labels, each as `name="value"`; of a histogram how many it has seen. */
export function total(figures: Figures, metric: MetricName, ...labels: readonly string[]): number {
  const name = exposedName(metric)
  return [...figures]
    .filter(([sample]) => [name, `${name}_count`].includes(sample.split('{', 1)[0]!))
    .filter(([sample]) => labels.every((label) => sample.includes(label)))
    .reduce((sum, [, value]) => sum + value, 0)
}
