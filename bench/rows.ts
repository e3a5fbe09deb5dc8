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
import { cpuOf } from './usage.js'

/** What every measurement of a run shares. */
export interface Bench {
  readonly frame: Frame
  readonly options: Options
  /** What a stored message survives, in words. */
  readonly durability: string
  /** Folder for CPU profiles of the system; undefined: none are made. */
  readonly profilesInto: string | undefined
  keep(row: Row): void
}

const warmupRate = 1_000
const inFlightPerPair = 8
const most_s = 15
const kneeTry_s = 10
const promptBelow_ms = 200
const measured = ['kafka', 'postgres', 'redis', 'coffeechat', 'floor', 'generator']

/** Delivered in time, every message, once. */
const isPrompt = ({ delivery, sent, delivered, lost }: Figures): boolean =>
  (delivery.p99 ?? Number.POSITIVE_INFINITY) <= promptBelow_ms && lost === 0 && delivered === sent

/** CPU-ms per delivered message of what was used between two looks. */
function costPerMessage(
  before: Readonly<Record<string, number>> | undefined,
  after: Readonly<Record<string, number>> | undefined,
  delivered: number,
): Record<string, number> | undefined {
  if (before === undefined || after === undefined || delivered === 0) return undefined
  return Object.fromEntries(
    Object.entries(after).map(([name, cpu_ms]) => [name, (cpu_ms - (before[name] ?? 0)) / delivered]),
  )
}

/** Profiles the system while `work` runs; profile.ts in the system's process writes the file. */
function openProfiler(folder: string, pid: number) {
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
  const pids = () =>
    Object.fromEntries(Object.entries(frame.register.pids()).filter(([name]) => measured.includes(name)))

  async function row(
    load: string,
    rate: number | null,
    seconds: number,
    run: () => Promise<Measured>,
  ): Promise<Row> {
    const before = cpuOf(pids())
    const { figures, faults } = await profiled(`${system} ${load}`, run)
    const cpu = costPerMessage(before, cpuOf(pids()), figures.delivered)
    return { system, load, rate, seconds, figures, faults, cpu, durability }
  }
  const openLoop = (load: string, rate: number, seconds: number) =>
    row(load, rate, seconds, () => generator.measure({ do: 'open-loop', rate, seconds }))

  if (options.warmup > 0) {
    say(`${system}: warming up for ${options.warmup} s`)
    await generator.measure({ do: 'open-loop', rate: warmupRate, seconds: options.warmup })
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
