/** Looks at something all the time, and notes how long it was otherwise. */

const look_ms = 50

export interface Watch {
  /** The longest time in one piece that each was not as it should be, ms. */
  longest(): ReadonlyMap<string, number>
  stop(): void
}

/** @param conditions by name; each is looked at every 50 ms */
export function watch(conditions: ReadonlyMap<string, () => boolean>): Watch {
  const since = new Map<string, number>()
  const longest = new Map([...conditions.keys()].map((name) => [name, 0]))
  const look = (): void => {
    const now = performance.now()
    for (const [name, holds] of conditions) {
      const begun = since.get(name) ?? now
      longest.set(name, Math.max(longest.get(name) ?? 0, now - begun))
      if (holds()) since.delete(name)
      else since.set(name, begun)
    }
  }
  const timer = setInterval(look, look_ms)
  return {
    longest() {
      look()
      return longest
    },
    stop: () => clearInterval(timer),
  }
}
