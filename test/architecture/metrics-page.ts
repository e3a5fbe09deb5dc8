/** The table of metrics in docs/operate/metrics.md, written from the catalogue. */
import { exposedName, type MetricName, metrics } from '../../schemas/metrics.js'

const begin = '<!-- metrics: npm run metrics-table writes this part from the catalogue -->'
const end = '<!-- /metrics -->'

const titles = {
  gateway: 'Gateways',
  workers: 'Processes with workers',
  'every process': 'Every process',
} as const

function table(giver: keyof typeof titles): string {
  const names = (Object.keys(metrics) as MetricName[]).filter((name) => metrics[name].giver === giver)
  const rows = names.map((name) => {
    const { kind, labels, meaning } = metrics[name]
    return `| \`${exposedName(name)}\` | ${kind} | ${labels.join(', ')} | ${meaning} |`
  })
  return [`### ${titles[giver]}`, '', '| name | kind | labels | |', '|---|---|---|---|', ...rows].join('\n')
}

/** The page with its generated part as the code says. @throws Error where the marks are gone */
export function withMetricsTable(page: string): string {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) throw new Error(`the page has no part between ${begin} and ${end}`)
  const tables = (Object.keys(titles) as (keyof typeof titles)[]).map(table).join('\n\n')
  return `${page.slice(0, from)}${begin}\n\n${tables}\n\n${page.slice(to)}`
}
