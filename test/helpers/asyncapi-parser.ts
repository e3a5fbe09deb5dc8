/** The official parser of AsyncAPI, of the npm registry: fetched once per checkout, as it brings 170 packages. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const version = '3.6.3'
const cache = join(import.meta.dirname, '../../../node_modules/.cache') // from dist/test/helpers
const download_ms = 240_000

interface Diagnostic {
  /** 0: an error */
  readonly severity: number
  readonly message: string
  readonly path: readonly (string | number)[]
}

/** What the parser asks about schemas in a language that it does not know; a fault is thrown. */
interface SchemaParser {
  getMimeTypes(): string[]
  validate(input: { readonly data: unknown }): void
  parse(input: { readonly data: unknown }): object
}

interface Parser {
  registerSchemaParser(parser: SchemaParser): void
  parse(
    document: string,
  ): Promise<{ readonly document: unknown; readonly diagnostics: readonly Diagnostic[] }>
}

/** The parser, or why it cannot be had. */
export function findAsyncApiParser(): { readonly parser: Parser } | { readonly missing: string } {
  const folder = join(cache, `coffeechat-asyncapi-parser-${version}`)
  try {
    if (!existsSync(folder)) install(folder)
    const { Parser: Made } = createRequire(join(folder, 'package.json'))('@asyncapi/parser') as {
      Parser: new () => Parser
    }
    return { parser: new Made() }
  } catch (error) {
    return { missing: `needs @asyncapi/parser ${version} of the npm registry: ${(error as Error).message}` }
  }
}

/** Under its name only when it is whole. */
function install(folder: string): void {
  const half = `${folder}.half`
  rmSync(half, { recursive: true, force: true })
  mkdirSync(half, { recursive: true })
  writeFileSync(join(half, 'package.json'), '{"private": true}')
  const words = ['install', '--no-audit', '--no-fund', '--ignore-scripts', `@asyncapi/parser@${version}`]
  execFileSync('npm', words, { cwd: half, stdio: 'pipe', timeout: download_ms })
  renameSync(half, folder)
}
