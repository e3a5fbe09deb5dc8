import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { readConfig, settings } from '../../../schemas/config.js'
import { stopLimit_ms } from '../../../schemas/stopping.js'
import { allRoles } from '../../../setup.js'
import { read, root } from '../../architecture/checkout.js'
import { composeFile, ourServices, rolesOf } from '../../helpers/image-tree.js'

const alone = composeFile('compose.yaml')
const external = composeFile('external.yaml')
const services = Object.entries(alone.services)

test('both files are what the Compose Specification allows', () => {
  const { $schema: _draft, $id: _id, ...schema } = JSON.parse(read('test/infra/compose/compose-spec.json'))
  const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema)
  for (const file of [alone, external]) assert.ok(validate(file), JSON.stringify(validate.errors, null, 1))
})

test('every role runs twice', () => {
  const counts = new Map<string, number>()
  for (const [, service] of ourServices(alone))
    for (const role of rolesOf(service) ?? [])
      counts.set(role, (counts.get(role) ?? 0) + (service.deploy?.replicas ?? 1))
  assert.deepEqual([...counts].toSorted(), allRoles.map((role): [string, number] => [role, 2]).toSorted())
})

test('every image is pinned to a release, by a number', () => {
  for (const [name, { image }] of services) {
    const tag = image?.replace(/\$\{[A-Z_]+:-(.*)\}/, '$1').split(':')[1]
    assert.match(tag ?? '', /^v?\d+\.\d+\.\d+|^18\.\d+$/, name)
  }
})

test('each of ours is given longer than it takes to stop', () => {
  const { DRAIN_MS } = readConfig({})
  for (const [name, { stop_grace_period = '0s' }] of ourServices(alone))
    assert.ok(Number.parseInt(stop_grace_period, 10) * 1_000 > DRAIN_MS + stopLimit_ms, name)
})

test('nothing starts before what it needs is well', () => {
  const { depends_on: before = {} } = alone.services.setup ?? {}
  assert.deepEqual(Object.keys(before), ['kafka', 'postgres', 'redis'])
  for (const [name, { condition }] of Object.entries(before)) {
    assert.equal(condition, 'service_healthy')
    assert.ok(alone.services[name]?.healthcheck, name)
  }
  for (const [name, { depends_on }] of ourServices(alone).filter(([, service]) => rolesOf(service)))
    assert.deepEqual(depends_on, { setup: { condition: 'service_completed_successfully' } }, name)
})

/** With every variable set that has no default, as .env would. */
const filledIn = (value: string): string =>
  value.replace(/\$\{[A-Z_]+(:-)?([^}]*)\}/g, (_, hasDefault, text) =>
    hasDefault ? text : 'sixteen-letters-',
  )

test('the settings of each service are settings, and valid ones', () => {
  for (const [name, { environment = {} }] of ourServices(alone)) {
    for (const each of Object.keys(environment)) assert.ok(each in settings, `${name}: ${each}`)
    const given = Object.fromEntries(
      Object.entries(environment).map(([key, value]) => [key, filledIn(value)]),
    )
    readConfig({ PROFILE: 'production', HOST: '0.0.0.0', ...given })
  }
})

test('ours can change nothing of their image, and what is mounted is there', () => {
  for (const [name, service] of ourServices(alone)) assert.equal(service.read_only, true, name)
  for (const [name, { volumes = [] }] of services)
    for (const source of volumes.map((volume) => volume.split(':')[0]!)) {
      const isFile = source.startsWith('.')
      if (isFile) assert.ok(existsSync(join(root, 'infra/compose', source)), `${name}: ${source}`)
      else assert.ok(source in (alone.volumes ?? {}), `${name}: ${source}`)
    }
})

test('with engines of one’s own none of ours is started, and every service gets their addresses', () => {
  for (const engine of ['kafka', 'postgres', 'redis'])
    assert.deepEqual(external.services[engine], { profiles: ['own-engines'] })
  for (const [name] of ourServices(alone)) {
    const { environment = {} } = external.services[name] ?? {}
    for (const setting of ['KAFKA_BROKERS', 'DATABASE_URL', 'REDIS_URL'])
      assert.ok(setting in environment, name)
    for (const setting of Object.keys(environment)) assert.ok(setting in settings, setting)
  }
})

test('every variable that has no default is in .env.example', () => {
  const example = read('infra/compose/.env.example')
  for (const name of ['compose.yaml', 'external.yaml'])
    for (const [, variable] of read(`infra/compose/${name}`).matchAll(/\$\{([A-Z_]+):\?/g))
      assert.match(example, new RegExp(`^(# )?${variable}=`, 'm'))
})

test('the balancer and Prometheus know the services by their names', () => {
  const gateways = services
    .filter(([, service]) => rolesOf(service)?.includes('gateway'))
    .map(([name]) => name)
  const balancer = read('infra/compose/haproxy.cfg')
  for (const name of gateways) {
    assert.ok(balancer.includes(`${name}:8000`), name)
    assert.ok(balancer.includes(`${name}:8080`), name)
  }
  const scraped = read('infra/compose/prometheus.yaml')
  for (const [name] of ourServices(alone).filter(([, service]) => rolesOf(service)))
    assert.match(scraped, new RegExp(`[[, ]${name}[,\\]]`), name)
})
