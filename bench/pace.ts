/** When messages are sent: at a rate whatever happens (open loop), or one for each that arrived (closed loop). */
import { setTimeout as pause } from 'node:timers/promises'
import { type Figures, type Journal, openJournal } from './journal.js'
import type { Path, PathEvents } from './path.js'

/** How long the last messages of a run may take to arrive before they count as not arrived. */
const settleWithin_ms = 15_000
const shortest_ms = 1

/** Runs loads over one path; one at a time. */
export interface Pacer {
  /** Message i is due at start + i / rate, and its latency counts from then. @param rate messages a second */
  open(rate: number, seconds: number): Promise<Figures>
  /** Every pair keeps `inFlight` messages that are not yet acked and delivered. */
  closed(inFlight: number, seconds: number): Promise<Figures>
}

interface Run {
  readonly journal: Journal
  /** The number of this run's first message: numbers never repeat within a path. */
  readonly first: number
  /** A message is through: acked and delivered, or refused. */
  through(pair: number): void
}

/**
 * Calls `send` for message `index` when it is due, or as soon after as this process can, until it answers false.
 * @param rate messages a second
 */
export async function sendAtRate(
  rate: number,
  seconds: number,
  send: (index: number, due_ms: number) => boolean,
): Promise<void> {
  const total = Math.round(rate * seconds)
  const start = performance.now() + shortest_ms
  for (let sent = 0; sent < total; await pause(shortest_ms))
    for (; sent < total; sent++) {
      const due = start + (sent * 1000) / rate
      if (due > performance.now()) break
      if (!send(sent, due)) return
    }
}

/** Waits for what is under way, for as long as that counts as arrived. */
export async function settle(journal: { open(): number }): Promise<void> {
  const deadline = performance.now() + settleWithin_ms
  while (journal.open() > 0 && performance.now() < deadline) await pause(20)
}

/** Opens the path with events that go to the run of the day, and returns what runs loads over it. */
export async function paceOver(
  openPath: (events: PathEvents) => Promise<Path>,
): Promise<{ path: Path; pacer: Pacer }> {
  let run: Run | undefined
  let next = 0
  const path = await openPath({
    answered(count, code) {
      const pair = run?.journal.answered(count - run.first, code, performance.now())
      if (pair !== undefined) run?.through(pair)
    },
    delivered(count) {
      const pair = run?.journal.delivered(count - run.first, performance.now())
      if (pair !== undefined) run?.through(pair)
    },
  })

  function begin(through: (pair: number) => void): Journal {
    run = { journal: openJournal(), first: next, through }
    return run.journal
  }
  function send(journal: Journal, pair: number, due: number | undefined): void {
    const now = performance.now()
    journal.sent(pair, due ?? now, now)
    path.send(pair, next++)
  }

  const pacer: Pacer = {
    async open(rate, seconds) {
      const journal = begin(() => {})
      await sendAtRate(rate, seconds, (index, due) => {
        send(journal, index % path.pairs, due)
        return true
      })
      await settle(journal)
      return journal.figures(Number.POSITIVE_INFINITY)
    },
    async closed(inFlight, seconds) {
      let over = false
      const journal = begin((pair) => {
        if (!over) send(journal, pair, undefined)
      })
      for (let round = 0; round < inFlight; round++)
        for (let pair = 0; pair < path.pairs; pair++) send(journal, pair, undefined)
      await pause(seconds * 1000)
      over = true
      await settle(journal)
      return journal.figures(seconds * 1000)
    },
  }
  return { path, pacer }
}
