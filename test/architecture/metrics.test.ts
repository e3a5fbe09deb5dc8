import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { dashboards } from '../../infra/grafana/dashboards.js'
import { createMetrics } from '../../infra/metrics/metrics.js'
import { exposedName, type MetricName, metrics } from '../../schemas/metrics.js'
import { read, root, sourceFiles } from './checkout.js'
import { dashboardFiles } from './dashboard-files.js'
import { withMetricsTable } from './metrics-page.js'

const names = Object.keys(metrics) as MetricName[]

/** Every name that /metrics may show, those of Node.js included. */
async function shownNames(): Promise<Set<string>> {
  const ours = names.flatMap((name) => {
    const shown = exposedName(name)
    return metrics[name].kind === 'histogram'
      ? [`${shown}_bucket`, `${shown}_sum`, `${shown}_count`]
      : [shown]
  })
  const text = await createMetrics().exposition()
  return new Set([...ours, ...[...text.matchAll(/^([a-z_0-9]+)[{ ]/gm)].map(([, name]) => name!)])
}

/** Every query of the alerts and the dashboards, with where it stands. */
function queries(): [where: string, expr: string][] {
  const rules = parse(read('infra/prometheus/rules.yaml')) as {
    groups: { rules: { alert: string; expr: string }[] }[]
  }
  const shown = Object.values(dashboards).flatMap(({ panels }) => panels) as {
    title: string
    targets: { expr: string }[]
  }[]
  return [
    ...rules.groups.flatMap((group) => group.rules.map(({ alert, expr }): [string, string] => [alert, expr])),
    ...shown.flatMap(({ title, targets }) => targets.map(({ expr }): [string, string] => [title, expr])),
  ]
}

test('the tables in docs/operate/metrics.md are what the catalogue says', () => {
  const page = read('docs/operate/metrics.md')
  assert.equal(page, withMetricsTable(page), 'npm run metrics-table writes them')
})

test('the dashboards are what the code makes', () => {
  for (const [path, text] of Object.entries(dashboardFiles()))
    assert.equal(read(path), text, 'npm run dashboards writes them')
  const files = readdirSync(join(root, 'infra/grafana/dashboards'))
  assert.equal(files.length, Object.keys(dashboards).length)
})

test('every query of an alert or a dashboard names metrics that there are', async () => {
  const shown = await shownNames()
  for (const [where, expr] of queries()) {
    const asked = [...expr.matchAll(/\b(?:coffeechat|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name)
    for (const name of asked) assert.ok(shown.has(name), `${where}: there is no ${name}`)
    assert.ok(asked.length > 0 || /\b(up|ALERTS)\b/.test(expr), `${where}: ${expr}`)
  }
})

test('every label in a query is one of its metric', () => {
  const anyMetric = new Set(['le', 'job', 'instance', 'alertname', 'alertstate'])
  const all = new Set([...anyMetric, ...names.flatMap((name): readonly string[] => metrics[name].labels)])
  for (const [where, expr] of queries()) {
    const grouped = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/, */))
    const matched = [...expr.matchAll(/[{,] *([a-z_]+) *(?:=|!=|=~|!~)"/g)].map(([, label]) => label!)
    for (const label of [...grouped, ...matched]) assert.ok(all.has(label), `${where}: label ${label}`)
  }
})

test('every metric of the catalogue is given by the code', () => {
  const sources = sourceFiles().filter(
    ({ path }) => !path.startsWith('test/') && !/^(schemas|infra\/grafana)\//.test(path),
  )
  for (const name of names)
    assert.ok(
      sources.some(({ text }) => text.includes(`'${name}'`)),
      `nobody gives ${name}`,
    )
})
