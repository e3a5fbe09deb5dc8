/**
 * The chart renders for every file of values, and what it renders is what Kubernetes takes. Helm: installed, or built
 * by `npm run helm`. Schemas of Kubernetes: the Python package kubernetes-validate.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Ajv } from 'ajv'
import { parse, parseAllDocuments } from 'yaml'
import { readConfig, settings } from '../../../schemas/config.js'
import { stopLimit_ms } from '../../../schemas/stopping.js'
import { allRoles } from '../../../setup.js'
import { allWorkers } from '../../../workers/main.js'
import { read, root } from '../../architecture/checkout.js'
import { pythonProgram } from '../../helpers/python.js'

const chart = join(root, 'infra/helm/coffeechat')
const kubernetes = '1.33.0'
const folder = mkdtempSync(join(tmpdir(), 'coffeechat-chart-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec?: { readonly template?: { readonly spec: PodSpec } }
  readonly data?: Readonly<Record<string, string>>
}

interface PodSpec {
  readonly terminationGracePeriodSeconds: number
  readonly automountServiceAccountToken: boolean
  readonly securityContext: { readonly runAsNonRoot: boolean }
  readonly containers: readonly {
    readonly args: readonly string[]
    readonly securityContext: { readonly readOnlyRootFilesystem: boolean }
    readonly volumeMounts: readonly { readonly name: string }[]
  }[]
  readonly volumes: readonly { readonly name: string }[]
}

interface Values {
  readonly workers: Readonly<
    Record<string, { roles: string[]; lag: readonly { group: string; topic: string }[] }>
  >
}

const values = parse(read('infra/helm/coffeechat/values.yaml')) as Values
const valueFiles = readdirSync(join(root, 'infra/helm/values'))
const overlay = (file: string): object => parse(read(`infra/helm/values/${file}`)) as object

const cached = join(homedir(), '.cache/coffeechat/helm-v3.18.6/helm')
const helm = ['helm', cached].find((each) => spawnSync(each, ['version']).status === 0)
const skip = helm === undefined ? 'there is no helm; npm run helm builds one with Go' : false

function render(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    helm!,
    ['template', 'chat', chart, '--kube-version', kubernetes, ...args],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  )
  return { status, stdout, stderr }
}

function manifests(file?: string): Manifest[] {
  const { status, stdout, stderr } = render(...(file ? ['-f', join(root, 'infra/helm/values', file)] : []))
  assert.equal(status, 0, stderr)
  return parseAllDocuments(stdout).flatMap((document) => (document.toJS() as Manifest | null) ?? [])
}

const pods = (all: readonly Manifest[]): PodSpec[] => all.flatMap(({ spec }) => spec?.template?.spec ?? [])

test('every role is in one Deployment of workers', () => {
  const given = Object.values(values.workers).flatMap(({ roles }) => roles)
  assert.deepEqual(given.toSorted(), allRoles.filter((role) => role !== 'gateway').toSorted())
})

test('the lag that KEDA looks at is that of a group and its topic', () => {
  for (const [name, { lag }] of Object.entries(values.workers))
    for (const { group, topic } of lag) {
      const worker = allWorkers.find((each) => each.name === group)
      assert.equal(worker?.consumes.name, topic, `${name}: ${group}`)
    }
})

test('the schema of values takes the defaults and every file of values, and refuses what is mistyped', () => {
  const schema = JSON.parse(read('infra/helm/coffeechat/values.schema.json'))
  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema)
  assert.ok(validate(values), JSON.stringify(validate.errors))
  for (const file of valueFiles) {
    const { secret = 'x', ...rest } = overlay(file) as { secret?: string }
    const workers = (rest as { workers?: object }).workers ? {} : undefined
    assert.ok(validate({ secret, ...rest, ...(workers && { workers: values.workers }) }), file)
  }
  for (const wrong of [
    { secret: '' },
    { secret: 'x', kafkas: {} },
    { secret: 'x', kafka: { brokers: ['no-port'] } },
    { secret: 'x', kafka: { brokers: [] } },
    { secret: 'x', kafka: { sasl: { mechanism: 'gssapi' } } },
    { secret: 'x', workers: { all: { roles: ['gateway'] } } },
    { secret: 'x', workers: { all: { roles: [] } } },
    { secret: 'x', gateway: { drainMs: -1 } },
    { secret: 'x', autoscaling: { by: 'mood' } },
    { secret: 'x', files: { store: 'ftp' } },
    { secret: 'x', settings: { LOG_LEVEL: 3 } },
    { secret: 'x', settings: { LOG_LEVLE: 'info' } },
    { secret: 'x', settings: { API_KEY: 'not in a ConfigMap' } },
  ])
    assert.ok(!validate(wrong), JSON.stringify(wrong))
})

test('each pod is given longer than it takes to stop', { skip }, () => {
  for (const drainMs of [0, 10_000, 120_000]) {
    const { stdout, stderr } = render('--set', `gateway.drainMs=${drainMs},gateway.preStopSeconds=7`)
    const all = parseAllDocuments(stdout).flatMap((document) => (document.toJS() as Manifest | null) ?? [])
    const ours = all.filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')
    assert.ok(ours.length > 1, stderr)
    for (const { kind, spec } of ours) {
      const least = stopLimit_ms + (kind === 'StatefulSet' ? drainMs + 7_000 : 0)
      assert.ok(spec!.template!.spec.terminationGracePeriodSeconds * 1_000 > least, kind)
    }
  }
})

test('helm finds nothing to say against it', { skip }, () => {
  const { status, stdout } = spawnSync(helm!, ['lint', '--strict', chart], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('without any values it renders with budgets, autoscaling and network policies', { skip }, () => {
  const all = manifests()
  const count = (kind: string) => all.filter((each) => each.kind === kind).length
  const deployments = Object.keys(values.workers).length
  assert.deepEqual(
    [
      'StatefulSet',
      'Deployment',
      'HorizontalPodAutoscaler',
      'PodDisruptionBudget',
      'NetworkPolicy',
      'Job',
    ].map(count),
    [1, deployments, deployments + 1, deployments + 1, 2, 1],
  )
  assert.ok(!all.some(({ kind }) => kind === 'Secret'))
})

for (const file of [undefined, ...valueFiles])
  test(`${file ?? 'no values'}: pods have no rights, mount what they name, and get valid settings`, {
    skip,
  }, () => {
    const all = manifests(file)
    for (const { automountServiceAccountToken, securityContext, containers, volumes } of pods(all)) {
      assert.equal(automountServiceAccountToken, false)
      assert.equal(securityContext.runAsNonRoot, true)
      const named = new Set(volumes.map(({ name }) => name))
      for (const container of containers) {
        assert.equal(container.securityContext.readOnlyRootFilesystem, true)
        for (const { name } of container.volumeMounts) assert.ok(named.has(name), name)
      }
    }
    const { data = {} } = all.find(({ metadata }) => metadata.name === 'chat-settings') ?? {}
    for (const name of Object.keys(data).filter((each) => each !== 'NODE_EXTRA_CA_CERTS'))
      assert.ok(name in settings, name)
    const secret = { API_KEY: 'key', TOKEN_SECRET: 'sixteen-letters-', KAFKA_SASL_PASSWORD: 'password' }
    assert.equal(readConfig({ ...data, ...secret }).PROFILE, 'production')
  })

test('values that are wrong are refused with their place', { skip }, () => {
  const { status, stderr } = render('--set', 'autoscaling.by=mood')
  assert.notEqual(status, 0)
  assert.match(stderr, /autoscaling.*by/s)
})

const found = pythonProgram('kubernetes-validate', '1.37.0')
const validator = 'program' in found ? found.program : ''
const unchecked = skip || ('missing' in found && found.missing)

test('every manifest is what the Kubernetes API takes', { skip: unchecked }, () => {
  for (const file of [undefined, ...valueFiles]) {
    const { stdout } = render(...(file ? ['-f', join(root, 'infra/helm/values', file)] : []))
    const rendered = join(folder, `${file ?? 'defaults'}.yaml`)
    writeFileSync(rendered, stdout)
    const checked = spawnSync(validator, ['-k', '1.33', '--strict', rendered], {
      encoding: 'utf8',
    })
    assert.equal(checked.status, 0, `${file}: ${checked.stdout}${checked.stderr}`)
  }
})
