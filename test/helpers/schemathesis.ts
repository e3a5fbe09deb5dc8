/** Schemathesis, which tests an API from its OpenAPI description: of the Python registry, fetched once per checkout. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const version = '4.32.5'
const cache = join(import.meta.dirname, '../../../node_modules/.cache') // from dist/test/helpers
const download_ms = 240_000

/** The program's path, or why it cannot be had. */
export function findSchemathesis(): { readonly program: string } | { readonly missing: string } {
  const folder = join(cache, `coffeechat-schemathesis-${version}`)
  const program = join(folder, 'bin/schemathesis')
  if (existsSync(`${folder}.complete`)) return { program }
  try {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(cache, { recursive: true })
    const options = { stdio: 'pipe', timeout: download_ms } as const
    execFileSync('python3', ['-m', 'venv', folder], options)
    const wanted = ['--quiet', '--only-binary', ':all:', `schemathesis==${version}`]
    execFileSync(join(folder, 'bin/python'), ['-m', 'pip', 'install', ...wanted], options)
    mkdirSync(`${folder}.half`, { recursive: true })
    renameSync(`${folder}.half`, `${folder}.complete`)
    return { program }
  } catch (error) {
    return {
      missing: `needs python3 and schemathesis ${version} of its registry: ${(error as Error).message}`,
    }
  }
}
