/** What processes cost, from /proc: CPU time and resident memory. Where there is no /proc: undefined. */
import { readdirSync, readFileSync } from 'node:fs'

/** /proc counts in hundredths of a second on every Linux that Node runs on. */
const tick_ms = 10

interface Stat {
  readonly parent: number
  /** Own, and of children that have ended. */
  readonly cpu_ms: number
}

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // the second field, the name, may hold anything: fields are counted from behind it
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map(Number) as [
      number,
      number,
      number,
      number,
    ]
    return { parent: Number(fields[1]), cpu_ms: (user + system + childrenUser + childrenSystem) * tick_ms }
  } catch {
    return undefined // ended meanwhile, or no /proc
  }
}

function everyStat(): Map<number, Stat> {
  const stats = new Map<number, Stat>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? statOf(pid) : undefined
    if (stat !== undefined) stats.set(pid, stat)
  }
  return stats
}

function withDescendants(leader: number, stats: ReadonlyMap<number, Stat>): number[] {
  const children = [...stats].filter(([, { parent }]) => parent === leader).map(([pid]) => pid)
  return [leader, ...children.flatMap((child) => withDescendants(child, stats))]
}

/** CPU-ms so far of each process by its name, with all that it started. @param pids name → pid */
export function cpuOf(pids: Readonly<Record<string, number>>): Record<string, number> | undefined {
  if (process.platform !== 'linux') return undefined
  const stats = everyStat()
  const total = (pid: number) =>
    withDescendants(pid, stats).reduce((sum, each) => sum + (stats.get(each)?.cpu_ms ?? 0), 0)
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, total(pid)]))
}

/** CPU-ms so far that the whole machine was busy with, whoever it was, and that it had. */
export function machineCpu(): { busy_ms: number; had_ms: number } | undefined {
  if (process.platform !== 'linux') return undefined
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? ''
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, stolen = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const busy = user + nice + system + irq + softirq + stolen
  return { busy_ms: busy * tick_ms, had_ms: (busy + idle + wait) * tick_ms }
}

export interface Memory {
  /** Sum of the processes' resident memory, MiB. */
  readonly resident: number
  /** The same with each shared page counted once, MiB. */
  readonly proportional: number
}

function field_kib(file: string, name: string): number {
  try {
    return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Resident memory of each process by its name, with all that it started. @param pids name → pid */
export function memoryOf(pids: Readonly<Record<string, number>>): Record<string, Memory> | undefined {
  if (process.platform !== 'linux') return undefined
  const stats = everyStat()
  const sum = (pid: number, read: (pid: number) => number) =>
    Math.round(withDescendants(pid, stats).reduce((total, each) => total + read(each), 0) / 1024)
  return Object.fromEntries(
    Object.entries(pids).map(([name, pid]) => [
      name,
      {
        resident: sum(pid, (each) => field_kib(`/proc/${each}/status`, 'VmRSS')),
        proportional: sum(pid, (each) => field_kib(`/proc/${each}/smaps_rollup`, 'Pss')),
      },
    ]),
  )
}
