/** The loads that one system gets, in their order, each measured as a row. */
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Frame } from '../infra/local/frame.js'
import { say } from '../infra/local/terminal.js'
import type { Generator, Measured } from './drive.js'
import type { Figures } from './journal.js'
import { findKnee } from './knee.js'
import type { Options } from './options.js'
import { grouped, type Row } from './report.js'
import { cpuOf, machineCpu } from './usage.js'

/** What every measurement of a run shares. */
export interface Bench {
  readonly frame: Frame
  readonly options: Options
  /** What a stored message survives, in words. */
  readonly durability: string
  /** Folder for CPU profiles of the system; undefined: none are made. */
  readonly profilesInto: string | undefined
  keep(row: Row): void
  /** Writes a row of any kind to the results. */
  note(row: object): void
}

export const warmupRate = 1_000
export const inFlightPerPair = 8
const afterBurst_ms = 10_000
const most_s = 15
const kneeTry_s = 10
const promptBelow_ms = 200
const measured = [
  'kafka',
  'postgres',
  'redis',
  'coffeechat',
  'gate-1',
  'gate-2',
  'workers',
  'floor',
  'generator',
]

/** Delivered in time, every message, once. */
const isPrompt = ({ delivery, sent, delivered, lost }: Figures): boolean =>
  (delivery.p99 ?? Number.POSITIVE_INFINITY) <= promptBelow_ms && lost === 0 && delivered === sent

type Pids = Readonly<Record<string, number>>

/** The processes whose cost counts, those that run now. */
export const measuredPids = ({ register }: Frame): Pids =>
  Object.fromEntries(Object.entries(register.pids()).filter(([name]) => measured.includes(name)))

/** Starts counting CPU time; the returned function says what the measured processes cost, and who else was busy. */
export function countCpu(pids: () => Pids): (delivered: number) => Pick<Row, 'cpu' | 'others'> {
  const [cpuBefore, machineBefore] = [cpuOf(pids()), machineCpu()]
  return (delivered) => {
    const [cpu, machine] = [cpuOf(pids()), machineCpu()]
    if (!cpuBefore || !machineBefore || !cpu || !machine) return { cpu: undefined, others: undefined }
    const used = Object.entries(cpu).map(([name, cpu_ms]) => [name, cpu_ms - (cpuBefore[name] ?? 0)] as const)
    const own_ms = used.reduce((sum, [, used_ms]) => sum + used_ms, 0)
    const others_ms = machine.busy_ms - machineBefore.busy_ms - own_ms
    return {
      cpu: delivered === 0 ? undefined : Object.fromEntries(used.map(([name, ms]) => [name, ms / delivered])),
      others: Math.max(0, others_ms) / (machine.had_ms - machineBefore.had_ms),
    }
  }
}

/** Profiles the system while `work` runs; profile.ts in the system's process writes the file. */
export function openProfiler(folder: string, pid: number) {
  let count = 0
  return async <T>(title: string, work: () => Promise<T>): Promise<T> => {
    count += 1
    const written = join(folder, `${count}.cpuprofile`)
    process.kill(pid, 'SIGUSR2')
    const result = await work()
    process.kill(pid, 'SIGUSR2')
    while (!existsSync(written)) await pause(100)
    await pause(500) // it is written in one go, but not in an instant
    renameSync(written, join(folder, `${title.replace(/\W+/g, '-')}.cpuprofile`))
    return result
  }
}

/** Warms the system up, then measures every rate, the most that it can take, and its knee. */
export async function measureLoads(
  bench: Bench,
  system: string,
  pid: number | undefined,
  generator: Generator,
): Promise<void> {
  const { options, frame, durability, profilesInto } = bench
  const profiled =
    profilesInto === undefined || pid === undefined
      ? <T>(_title: string, work: () => Promise<T>) => work()
      : openProfiler(profilesInto, pid)
  const pids = () => measuredPids(frame)

  async function row(
    load: string,
    rate: number | null,
    seconds: number,
    run: () => Promise<Measured>,
  ): Promise<Row> {
    const cost = countCpu(pids)
    const { figures, faults } = await profiled(`${system} ${load}`, run)
    return { system, load, rate, seconds, figures, faults, ...cost(figures.delivered), durability }
  }
  const openLoop = (load: string, rate: number, seconds: number) =>
    row(load, rate, seconds, () => generator.measure({ do: 'open-loop', rate, seconds }))

  if (options.warmup > 0) {
    say(`${system}: warming up for ${options.warmup} s`)
    await generator.measure({ do: 'open-loop', rate: warmupRate, seconds: options.warmup })
    // Most of what a broker still compiles it compiles under full load: whoever goes first pays for it otherwise.
    await generator.measure({ do: 'closed-loop', inFlight: inFlightPerPair, seconds: options.warmup / 3 })
    // What that burst leaves to be done, such as checks that fall due after 5 s, is not the first row's.
    await pause(afterBurst_ms)
  }
  for (const rate of options.rates) bench.keep(await openLoop(`${grouped(rate)}/s`, rate, options.seconds))

  const seconds = Math.min(most_s, options.seconds)
  bench.keep(
    await row(`most, ${inFlightPerPair} in flight a pair`, null, seconds, () =>
      generator.measure({ do: 'closed-loop', inFlight: inFlightPerPair, seconds }),
    ),
  )
  if (!options.knee) return
  const tried = new Map<number, Row>()
  const knee = await findKnee(Math.max(warmupRate, ...options.rates), async (rate) => {
    const result = await openLoop('knee', rate, Math.min(kneeTry_s, options.seconds))
    const { delivery, lost } = result.figures
    const holds = isPrompt(result.figures)
    say(
      `  ${system} at ${grouped(rate)}/s: p99 ${delivery.p99?.toFixed(0)} ms, lost ${lost}${holds ? '' : ': too much'}`,
    )
    if (holds) tried.set(rate, result)
    return holds
  })
  const best = tried.get(knee)
  if (best !== undefined) bench.keep(best)
}
