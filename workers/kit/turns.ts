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

/** @param work handles all items of a turn, never none; a throw is told to each of them */
export function takeTurns<T>(work: (items: readonly T[]) => Promise<void>): (item: T) => Promise<void> {
  let waiting: Waiting<T>[] = []
  let running = false

  async function run(): Promise<void> {
    running = true
    // What one fetch brought for several partitions arrives in this turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
    while (waiting.length > 0) {
      const turn = waiting
      waiting = []
      try {
        await work(turn.map(({ item }) => item))
        for (const { resolve } of turn) resolve()
      } catch (error) {
        for (const { reject } of turn) reject(error)
      }
    }
    running = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!running) void run()
    })
}
