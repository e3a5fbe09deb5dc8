/** A real Prometheus with the file of compose.yaml, the rules and the dashboards, on a system that works. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { parse, stringify } from 'yaml'
import { dashboards } from '../../infra/grafana/dashboards.js'
import { fullName, topics } from '../../schemas/topics.js'
import { allRoles } from '../../setup.js'
import { read, root } from '../architecture/checkout.js'
import { createCrowd } from '../helpers/crowd.js'
import { freePort } from '../helpers/port.js'
import { type Program, run } from '../helpers/program.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const skip =
  spawnSync('prometheus', ['--version']).status !== 0 &&
  'prometheus is not here (apt-get install prometheus brings it)'

interface Scraping {
  readonly global: object
  readonly scrape_configs: readonly { readonly job_name: string }[]
}

const folder = mkdtempSync(join(tmpdir(), 'coffeechat-prometheus-'))
let system: System
let prometheus: Program
let address: string

/** What it answers under this path of its API. */
async function ask<T>(path: string): Promise<T> {
  const response = await fetch(`http://${address}/api/v1/${path}`)
  const { status, data, error } = (await response.json()) as { status: string; data: T; error?: string }
  assert.equal(status, 'success', `${path}: ${error}`)
  return data
}

interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [at: number, value: string]
}
const query = async (expr: string): Promise<readonly Sample[]> =>
  (await ask<{ result: Sample[] }>(`query?query=${encodeURIComponent(expr)}`)).result

/** The names of the alerts in these states. */
async function alerts(...states: readonly string[]): Promise<string[]> {
  type Alert = { readonly state: string; readonly labels: { readonly alertname: string } }
  const all = (await ask<{ alerts: Alert[] }>('alerts')).alerts
  return all.filter(({ state }) => states.includes(state)).map(({ labels }) => labels.alertname)
}

/** The file of compose.yaml; but the names of its services are ports of this machine, and it looks every second. */
function settings(): string {
  const { global, scrape_configs, ...rest } = parse(read('infra/compose/prometheus.yaml')) as Scraping
  const targets = [...system.processes.values()].map(({ metricsPort }) => `127.0.0.1:${metricsPort}`)
  return stringify({
    ...rest,
    global: { ...global, scrape_interval: '1s', evaluation_interval: '1s' },
    scrape_configs: scrape_configs.map(({ job_name }) => ({ job_name, static_configs: [{ targets }] })),
  })
}

before(async () => {
  if (skip) return
  const workers = allRoles.filter((role) => role !== 'gateway')
  system = await startSystem({ roles: [['gateway'], workers], env: { METRICS_PORT: '0' } })
  const file = join(folder, 'prometheus.yml')
  writeFileSync(file, settings())
  copyFileSync(join(root, 'infra/prometheus/rules.yaml'), join(folder, 'rules.yaml'))
  address = `127.0.0.1:${await freePort()}`
  prometheus = run([
    'prometheus',
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
  ])
  await prometheus.says(/Server is ready to receive web requests/)
})
after(async () => {
  await prometheus?.end()
  await system?.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('each process is scraped, and a message that was sent is seen by the queries of the dashboards', {
  skip,
}, async () => {
  const crowd = createCrowd(system)
  const { bo, adas } = await crowd.pair()
  for (let n = 0; n < 20; n++) await adas.say(bo.user_id, `${n}`)
  await conditionHolds('each process is up', async () => {
    const up = await query('up{job="coffeechat"}')
    return up.length === system.processes.size && up.every(({ value }) => value[1] === '1')
  })
  await conditionHolds('twenty are stored', async () => {
    await adas.say(bo.user_id, 'one more')
    const [stored] = await query('sum(increase(coffeechat_delivery_age_ms_count[1m]))')
    return Number(stored?.value[1]) > 0
  })

  const figures = [
    'connections',
    'messages',
    'lag',
    'releases',
    '1 socket → ack to the sender (stored)',
    'logins',
  ]
  for (const { panels } of Object.values(dashboards))
    for (const { title, targets } of panels as { title: string; targets: { expr: string }[] }[])
      for (const { expr } of targets) {
        // Each process is scraped at its own time, and a rate needs two scrapes.
        await conditionHolds(`${title}: ${expr}`, async () => {
          const lines = await query(expr.replaceAll('$__rate_interval', '1m'))
          return lines.length > 0 || !figures.includes(title)
        })
      }
  crowd.leave()
})

test('the rules are loaded, and no alert is raised of a system that is well', { skip }, async () => {
  type Rule = { readonly name: string; readonly health: string; readonly lastError?: string }
  const { groups } = await ask<{ groups: { rules: Rule[] }[] }>('rules')
  for (const { name, health, lastError } of groups.flatMap(({ rules }) => rules))
    assert.equal(health, 'ok', `${name}: ${lastError}`)
  assert.deepEqual(await alerts('firing'), [])
})

test('the first event that nobody can use raises its alert', { skip }, async () => {
  const producer = new Kafka({ brokers: [system.kafka], logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  await producer.send({
    topic: fullName(system.prefix, topics.requestQuery),
    messages: [{ key: '1', value: 'not an event' }],
  })
  await producer.disconnect()
  await conditionHolds('it is raised', async () => (await alerts('firing')).includes('DeadLetters'))
})

test('workers that are killed are missed: by their process, and by their roles', { skip }, async () => {
  const [, workers] = system.processes.values()
  const missed = async () => {
    const raised = await alerts('pending', 'firing')
    return ['ProcessDown', 'RoleMissing'].map((each) => raised.includes(each))
  }
  await workers!.kill('SIGKILL')
  await conditionHolds('both alerts are on their way', async () => (await missed()).every(Boolean))
  await workers!.restart()
})
