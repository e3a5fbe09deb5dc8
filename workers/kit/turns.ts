/**
 * Batches of several partitions share one turn: what arrives while a turn is under way makes up the next. A turn costs
 * about the same with many events as with few (a transaction, a round trip, a send), so fewer, fuller ones are cheaper;
 * and nothing waits longer than for the turn before it.
 */

interface Waiting<T> {
  readonly item: T
  resolve(): void
  reject(error: unknown): void
}

/**
 * @param work handles all items of a turn, never none, and calls `next` when the turn after it may begin (its end does
 * so too); a throw is told to each of its items
 */
export function takeTurns<T>(
  work: (items: readonly T[], next: () => void) => Promise<void>,
): (item: T) => Promise<void> {
  let waiting: Waiting<T>[] = []
  let busy = false

  function begin(): void {
    if (waiting.length === 0) {
      busy = false
      return
    }
    const turn = waiting
    waiting = []
    let passedOn = false
    const next = () => {
      if (passedOn) return
      passedOn = true
      begin()
    }
    work(
      turn.map(({ item }) => item),
      next,
    )
      .then(
        () => {
          for (const { resolve } of turn) resolve()
        },
        (error: unknown) => {
          for (const { reject } of turn) reject(error)
        },
      )
      .finally(next)
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (busy) return
      busy = true
      // What one fetch brought for several partitions arrives in this turn of the event loop.
      setImmediate(begin)
    })
}
