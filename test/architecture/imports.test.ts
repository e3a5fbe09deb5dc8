/** The rules of .dependency-cruiser.cjs refuse what they are there to refuse: each is tried on a planted import. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { root } from './checkout.js'

/** Importing file → what it imports → the rule that says no; `undefined` is allowed. */
const planted: Record<string, Record<string, string | undefined>> = {
  'proto/a.ts': {
    '../schemas/ids.js': 'proto-is-a-leaf',
    'node:fs': 'proto-runtime-only',
    'protobufjs/minimal.js': undefined,
  },
  'schemas/a.ts': {
    '../proto/index.js': undefined,
    zod: undefined,
    '../workers/kit/worker.js': 'schemas-import-proto',
    'node:fs': 'schemas-do-no-io',
    pg: 'schemas-do-no-io',
  },
  'workers/a.worker.ts': {
    './kit/worker.js': undefined,
    './ports/messages.js': undefined,
    '../schemas/ids.js': undefined,
    './other.worker.js': 'worker-knows-no-other-worker',
    '../gateway/ports.js': 'worker-knows-no-other-worker',
    'node:crypto': undefined,
    'node:fs/promises': 'workers-do-no-io',
    kafkajs: 'workers-do-no-io',
    ioredis: 'workers-do-no-io',
  },
  'workers/main.ts': { './other.worker.js': undefined, '../infra/pool.js': 'worker-registry' },
  'gateway/a.ts': {
    'node:net': undefined,
    fastify: undefined,
    '../workers/kit/worker.js': 'gateway-knows-no-worker',
    '../infra/pool.js': 'gateway-knows-no-worker',
    pg: 'gateway-knows-no-database',
  },
  'infra/a.ts': {
    pg: undefined,
    '../workers/ports/messages.js': undefined,
    '../gateway/ports.js': undefined,
    '../workers/kit/worker.js': 'infra-implements-ports',
    './local/a.js': 'infra-implements-ports',
    '../compose.js': 'infra-implements-ports',
    '@swc/core': 'no-development-package',
    'left-pad': 'no-unresolvable',
  },
  'infra/local/b.ts': { '../pool.js': 'starter-starts-processes', '../../schemas/ids.js': undefined },
  'compose.ts': { './infra/pool.js': undefined, './gateway/ports.js': undefined },
  'main.ts': {
    './compose.js': undefined,
    './infra/pool.js': undefined,
    './test/helpers/stack.js': 'nobody-imports-test',
  },
  'client/a.ts': {
    './b.js': undefined,
    'node:net': undefined,
    ws: undefined,
    '../schemas/ids.js': 'client-stands-alone',
    pg: 'client-needs-no-package',
    'node:fs': 'client-needs-no-package',
  },
  'chat/a.ts': { '../client/b.js': undefined, '../schemas/ids.js': 'chat-knows-the-client' },
  'console/a.ts': { '../infra/pool.js': 'only-the-root-wires-infra', '../schemas/ids.js': undefined },
  'test/a.ts': { './helpers/stack.js': undefined, '../infra/pool.js': undefined },
}

const importable = [
  'proto/index.ts',
  'client/b.ts',
  'schemas/ids.ts',
  'workers/kit/worker.ts',
  'workers/ports/messages.ts',
  'workers/other.worker.ts',
  'gateway/ports.ts',
  'infra/pool.ts',
  'infra/local/a.ts',
  'test/helpers/stack.ts',
]

const folder = mkdtempSync(join(tmpdir(), 'coffeechat-imports-'))
after(() => rmSync(folder, { recursive: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

interface Violation {
  readonly from: string
  readonly to: string
  readonly rule: { readonly name: string }
}

const folders = [
  ...['proto', 'schemas', 'gateway', 'workers', 'infra'],
  ...['test', 'client', 'chat', 'console'],
]

function violations(): Promise<Violation[]> {
  const rooms = ['main.ts', 'compose.ts', ...folders]
  const words = ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...rooms]
  return new Promise((resolve, reject) => {
    execFile(join(root, 'node_modules/.bin/depcruise'), words, { cwd: folder }, (error, stdout, stderr) => {
      if (stdout === '') reject(new Error(stderr, { cause: error }))
      else resolve((JSON.parse(stdout) as { summary: { violations: Violation[] } }).summary.violations)
    })
  })
}

/** What an import leads to, as the report names it: a file from the root, or a package. */
const target = (from: string, imported: string): string =>
  imported.startsWith('.')
    ? join(dirname(from), imported).replace(/js$/, 'ts')
    : imported.replace(/^node:/, '')

const shown = ({ rule, from, to }: Violation): string =>
  `${from} → ${to.replace(/^.*node_modules\/((@[^/]+\/)?[^/]+).*/, '$1')}: ${rule.name}`

test('an import is refused by the rule of its room, and by no other', async () => {
  cpSync(join(root, '.dependency-cruiser.cjs'), join(folder, '.dependency-cruiser.cjs'))
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const path of importable) write(path, 'export const here = true\n')
  const expected: string[] = []
  for (const [from, imports] of Object.entries(planted)) {
    const lines = Object.keys(imports).map((imported) => `import '${imported}'\n`)
    write(from, lines.join(''))
    for (const [imported, rule] of Object.entries(imports))
      if (rule !== undefined) expected.push(`${from} → ${target(from, imported)}: ${rule}`)
  }
  assert.deepEqual((await violations()).map(shown).sort(), expected.sort())
})
