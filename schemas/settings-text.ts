/** The settings as people read them. */
import { settings } from './config.js'

/** One line per setting with its default: for --help. */
export function describeSettings(): string {
  return Object.entries(settings)
    .map(
      ([name, { fallback, meaning }]) => `  ${name.padEnd(30)} ${meaning}${fallback ? ` (${fallback})` : ''}`,
    )
    .join('\n')
}

/** The text of .env.example. */
export function envExample(): string {
  const head = '# Every setting with its default. Generated from schemas/config.ts.\n'
  const lines = Object.entries(settings).map(
    ([name, { fallback, meaning }]) => `# ${meaning}\n# ${name}=${fallback ?? ''}\n`,
  )
  return `${head}\n${lines.join('\n')}`
}
