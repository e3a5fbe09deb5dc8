/** What the person at the terminal sees of the local stack. */

/** A line for the person who started us. A closed terminal is no reason to fall over. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

const every_ms = 3_000

/** Waits for `work`; says every 3 s that it is still under way, with what `describe` adds. */
export async function withProgress<T>(title: string, work: Promise<T>, describe = () => ''): Promise<T> {
  const begun = Date.now()
  const ticker = setInterval(() => {
    const detail = describe()
    say(`  ${title}: ${detail === '' ? '' : `${detail}, `}${seconds(Date.now() - begun)}`)
  }, every_ms)
  try {
    return await work
  } finally {
    clearInterval(ticker)
  }
}

/** 4321 → "4.3 s" */
export const seconds = (duration_ms: number): string => `${(duration_ms / 1000).toFixed(1)} s`

/** Ends the program with its message alone: the reader can act on it, a stack would only hide it. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart'
}
