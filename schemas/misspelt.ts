/** Environment variables that are nearly called like a setting, and therefore have no effect. */

const nearest = 2
const shortest = 6

export interface Misspelt {
  readonly name: string
  readonly meant: string
}

/** Variables that are not empty and differ by two characters at most from a setting. */
export function misspelt(env: NodeJS.ProcessEnv, settings: readonly string[]): Misspelt[] {
  const known = new Set(settings)
  return Object.keys(env)
    .filter((name) => env[name] && !known.has(name) && name.length >= shortest)
    .flatMap((name) => {
      const meant = settings.find((each) => distance(each, name.toUpperCase()) <= nearest)
      return meant === undefined ? [] : [{ name, meant }]
    })
}

/** How many characters have to be put in, left out or changed. */
function distance(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > nearest) return nearest + 1
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (const [at, character] of [...one].entries()) {
    const next = [at + 1]
    for (let column = 0; column < other.length; column++)
      next.push(
        Math.min(
          next[column]! + 1,
          row[column + 1]! + 1,
          row[column]! + (other[column] === character ? 0 : 1),
        ),
      )
    row = next
  }
  return row.at(-1)!
}
