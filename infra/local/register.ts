/**
 * Which processes the stack has now. The guard is told, whoever takes the data folder after us is told, and
 * at the end everything in here is ended: what is not in the register does not exist.
 */
import type { ChildProcess } from 'node:child_process'
import type { DataFolder } from './folder.js'
import type { Guard } from './guard.mjs'

interface Entry {
  /** Undefined: a task that ends by itself (a download, a setup step). */
  name: string | undefined
  rank: 'ours' | 'backing'
  signal: NodeJS.Signals
  gone: Promise<void>
}

export interface Register {
  /** A child that was just started and leads a process group. Once the register is closing it is killed. */
  add(child: ChildProcess, entry: Omit<Entry, 'gone'>): void
  /** Name → pid of every program that lives. */
  pids(): Record<string, number>
  /** Called at every change from now on. */
  onChange(listener: () => void): void
  /** Ends ours first, then what they are built on; kills those that take longer than `grace_ms`. */
  close(grace_ms: () => number): Promise<void>
  /** Ends everything at once. */
  kill(): void
}

/** Signals a process and all that it started; one that is stopped (SIGSTOP) is continued, to hear it. */
export function endGroup(leaderPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leaderPid, signal)
    process.kill(-leaderPid, 'SIGCONT')
  } catch {
    // gone already
  }
}

/** An empty register; whatever is added is watched by the guard too. */
export function openRegister(guard: Guard, folder: DataFolder): Register {
  const entries = new Map<number, Entry>()
  let closing = false
  let listener = () => {}

  function changed(): void {
    guard.watch([...entries].map(([pid, { signal }]) => ({ pid, signal })))
    folder.recordPids([...entries.keys()])
    listener()
  }

  async function end(rank: Entry['rank'], grace_ms: number): Promise<void> {
    const chosen = [...entries].filter(([, entry]) => entry.rank === rank)
    for (const [pid, { signal }] of chosen) endGroup(pid, signal)
    const late = setTimeout(() => {
      for (const [pid] of chosen) endGroup(pid, 'SIGKILL')
    }, grace_ms)
    await Promise.all(chosen.map(([, { gone }]) => gone))
    clearTimeout(late)
  }

  return {
    add(child, { name, rank, signal }) {
      const { pid } = child
      if (pid === undefined) return
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve())).then(() => {
        endGroup(pid, 'SIGKILL') // whom it started and left behind: nobody would know of them any more
        entries.delete(pid)
        changed()
      })
      entries.set(pid, { name, rank, signal, gone })
      changed()
      if (closing) endGroup(pid, 'SIGKILL')
    },
    pids: () =>
      Object.fromEntries(
        [...entries].flatMap(([pid, { name }]) => (name === undefined ? [] : [[name, pid]])),
      ),
    onChange(next) {
      listener = next
    },
    async close(grace_ms) {
      closing = true
      await end('ours', grace_ms())
      await end('backing', grace_ms())
    },
    kill() {
      closing = true
      for (const pid of entries.keys()) endGroup(pid, 'SIGKILL')
    },
  }
}
