/** Versions of clients: dotted numbers are compared, everything else is free text. */

const dottedNumbers = /^\d+(\.\d+)*$/

/** True where both are dotted numbers and `version` comes before `least`: 1.9 before 1.10, 1 equal to 1.0. */
export function isOlder(version: string | null | undefined, least: string | undefined): boolean {
  if (!version || !least || !dottedNumbers.test(version) || !dottedNumbers.test(least)) return false
  const [ours, theirs] = [version, least].map((text) => text.split('.').map(Number)) as [number[], number[]]
  for (let at = 0; at < Math.max(ours.length, theirs.length); at++) {
    const difference = (ours[at] ?? 0) - (theirs[at] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
