/** Alerts fire when they should and only then (promtool, Debian's package prometheus); each has its runbook. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { read, root } from '../../architecture/checkout.js'
import { lookAfter_min, type Situation, situations } from './situations.js'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

const rulesFile = join(root, 'infra', 'prometheus', 'rules.yaml')
const document = parse(read('infra/prometheus/rules.yaml')) as { groups: { rules: Rule[] }[] }
const rules = document.groups.flatMap((group) => group.rules)

const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' })
const skip =
  promtool('--version').status === 0 ? false : 'promtool is not here (apt-get install prometheus brings it)'

/** One test of promtool: the alerts of that name that fire. */
const caseOf = (alert: string, side: keyof Situation) => ({
  name: `${alert} ${side}`,
  interval: '1m',
  input_series: Object.entries(situations[alert]![side]).map(([series, values]) => ({ series, values })),
  promql_expr_test: [
    {
      expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`,
      eval_time: `${lookAfter_min[alert] ?? 58}m`,
      exp_samples: side === 'ill' ? [{ labels: '{}', value: 1 }] : [],
    },
  ],
})

test('every alert has a situation in which it fires, and one in which it is silent', () => {
  assert.deepEqual(rules.map(({ alert }) => alert).toSorted(), Object.keys(situations).toSorted())
})

test('every alert has a summary, a severity, and a runbook that says what to do', () => {
  for (const { alert, labels, annotations } of rules) {
    assert.match(labels.severity, /^(page|ticket)$/, alert)
    assert.ok(annotations.summary.length > 10, alert)
    assert.equal(annotations.runbook, `docs/runbooks/${alert}.md`)
    assert.ok(existsSync(join(root, annotations.runbook)), annotations.runbook)
    const page = read(annotations.runbook)
    for (const heading of ['## What it means', '## Look', '## Do']) assert.ok(page.includes(heading), alert)
  }
})

test('the rules are what Prometheus takes', { skip }, () => {
  const { status, stdout, stderr } = promtool('check', 'rules', rulesFile)
  assert.equal(status, 0, stdout + stderr)
})

test('each alert fires in its situation and keeps silent in the other', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-rules-'))
  try {
    const file = join(folder, 'rules.test.json')
    const tests = rules.flatMap(({ alert }) => [caseOf(alert, 'ill'), caseOf(alert, 'well')])
    // YAML takes JSON as it is.
    writeFileSync(file, JSON.stringify({ rule_files: [rulesFile], evaluation_interval: '1m', tests }))
    const { status, stdout, stderr } = promtool('test', 'rules', file)
    assert.equal(status, 0, stdout + stderr)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
