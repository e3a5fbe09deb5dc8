/** What a command has found or done, for people and for programs. */

export interface Report {
  /** One value, printed with --json. Ids as strings, times in ms. */
  readonly json: unknown
  /** Lines for a terminal. */
  readonly text: readonly string[]
  /** Of the process; 0 where it is left out. */
  readonly exitCode?: number
}

/** Rows under their headings, in columns as wide as what is in them. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string[] {
  const lines = [headings, ...rows.map((row) => row.map(String))]
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  const isNumber = headings.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'),
  )
  return lines.map((line) =>
    line
      .map((cell, column) =>
        isNumber[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  )
}

const units = [
  { size_ms: 86_400_000, name: 'd' },
  { size_ms: 3_600_000, name: 'h' },
  { size_ms: 60_000, name: 'm' },
  { size_ms: 1_000, name: 's' },
]

/** A duration in its two largest units: 2h 5m, 3s. */
export function duration(ms: number): string {
  const first = units.findIndex(({ size_ms }) => ms >= size_ms)
  if (first < 0) return '0s'
  let rest = ms
  const parts = units.slice(first, first + 2).map(({ size_ms, name }) => {
    const count = Math.floor(rest / size_ms)
    rest -= count * size_ms
    return count === 0 ? '' : `${count}${name}`
  })
  return parts.filter((part) => part !== '').join(' ')
}

/** A moment as people write it, UTC. */
export const moment = (time_ms: number): string => new Date(time_ms).toISOString().replace('.000Z', 'Z')

/** 1 record, 2 records */
export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
