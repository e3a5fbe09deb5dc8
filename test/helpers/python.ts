/** Programs of the Python registry, each in a virtual environment of its own, fetched once per checkout. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const cache = join(import.meta.dirname, '../../../node_modules/.cache') // from dist/test/helpers
const download_ms = 240_000
const pause_ms = 250

/** Stops this thread: the tests of a file are not defined yet, and depend on the answer. */
const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/** Waits while another test file fetches the same; true when this one is to do it. */
function takeTurn(lock: string, complete: string): boolean {
  for (;;) {
    if (existsSync(complete)) return false
    try {
      mkdirSync(lock)
      return true
    } catch {
      const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
      // Who took it was killed.
      if (Date.now() - since > 2 * download_ms) rmSync(lock, { recursive: true, force: true })
      sleep(pause_ms)
    }
  }
}

/** A program of this package, by default that of its name; or why it cannot be had, for a test to be skipped with. */
export function pythonProgram(
  name: string,
  version: string,
  binary = name,
): { readonly program: string } | { readonly missing: string } {
  const folder = join(cache, `coffeechat-${name}-${version}`)
  const complete = join(folder, 'complete')
  const program = join(folder, 'bin', binary)
  const lock = `${folder}.lock`
  mkdirSync(cache, { recursive: true })
  if (!takeTurn(lock, complete)) return { program }
  const options = { stdio: 'pipe', timeout: download_ms } as const
  try {
    rmSync(folder, { recursive: true, force: true })
    execFileSync('python3', ['-m', 'venv', folder], options)
    const wanted = ['--quiet', '--only-binary', ':all:', `${name}==${version}`]
    execFileSync(join(folder, 'bin/python'), ['-m', 'pip', 'install', ...wanted], options)
    writeFileSync(complete, '')
    return { program }
  } catch (error) {
    const [reason] = String((error as Error).message).split('\n')
    return { missing: `needs python3 and ${name} ${version} of its registry (${reason})` }
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}
