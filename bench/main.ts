/** `npm run bench`, once the checkout is prepared: a stack of its own, one system on it after the other. */
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { type Backing, startBacking } from '../infra/local/backing.js'
import { type Frame, inFrame, type Launch } from '../infra/local/frame.js'
import { brokerSettings } from '../infra/local/kafka.js'
import { CannotStart, say } from '../infra/local/terminal.js'
import { registerAccounts } from './accounts.js'
import { measureBroadcast } from './broadcast/rows.js'
import { insertInBulk } from './bulk-insert.js'
import { startGenerator } from './drive.js'
import { measureGroups } from './groups/rows.js'
import { help, type Options, readOptions } from './options.js'
import { comparison, costTable, grouped, lineOf, memoryTable, type Row, speedTable } from './report.js'
import { type Bench, inFlightPerPair, measureLoads, warmupRate } from './rows.js'
import { floorIsPresent, type System, startFloor, startOurs } from './systems.js'
import { type Memory, memoryOf } from './usage.js'

const tmpfs = 0x01021994

/** What a stored message survives, as the servers themselves say it. */
async function durabilityOf(backing: Backing, dataDir: string): Promise<string> {
  const client = new pg.Client({ connectionString: backing.postgres })
  await client.connect()
  const setting = async (name: string) => {
    const { rows } = await client.query<Record<string, string>>(`SHOW ${name}`)
    return `${name} ${rows[0]?.[name]}`
  }
  const database = [await setting('fsync'), await setting('synchronous_commit')]
  await client.end()
  const log = `acks=all, 1 broker, log flushed every ${brokerSettings['log.flush.interval.ms']} ms`
  const disk = statfsSync(dataDir).type === tmpfs ? ['but all of it in memory (tmpfs)'] : []
  return [...database, log, ...disk].join(', ')
}

/** Memory of an idle stack: every process of it, and this one, which stands where the starter would. */
async function idleMemory(frame: Frame, seconds: number): Promise<Record<string, Memory> | undefined> {
  if (seconds === 0) return undefined
  say(`Idling for ${seconds} s`)
  await pause(seconds * 1000)
  const starter_mib = Math.round(process.memoryUsage.rss() / 1024 / 1024)
  const memory = memoryOf(frame.register.pids())
  return memory && { ...memory, starter: { resident: starter_mib, proportional: starter_mib } }
}

async function measureChat(bench: Bench, system: System): Promise<void> {
  const accounts = await registerAccounts(system, bench.options.pairs * 2)
  const generator = startGenerator(bench.frame.root, bench.frame.register)
  await generator.open({ do: 'open-chat', tcp: system.tcp, accounts })
  await measureLoads(bench, system.name, system.pid, generator)
  await generator.close()
}

async function measureHops(bench: Bench, backing: Backing): Promise<string> {
  const generator = startGenerator(bench.frame.root, bench.frame.register)
  await generator.open({ do: 'open-hops', kafka: backing.kafka, pairs: bench.options.pairs })
  await measureLoads(bench, 'three empty hops', undefined, generator)
  await generator.close()
  const { perSecond, batch, batchSize } = await insertInBulk(backing.postgres, bench.options.seconds)
  return (
    `Bulk insert with COMMIT, ${batchSize} messages (two rows each) a batch: ${grouped(perSecond)} messages/s, ` +
    `a batch p50 ${batch.p50?.toFixed(1)} ms, p99 ${batch.p99?.toFixed(1)} ms`
  )
}

function machine(): string {
  const cores = cpus()
  return `Everything on one machine of ${cores.length} cores (${cores[0]?.model.trim()}).`
}

interface Results {
  readonly rows: readonly Row[]
  memory: Record<string, Memory> | undefined
  bulk: string | undefined
}

function render({ rows, memory, bulk }: Results, options: Options): string {
  const other = options.beside === 'floor' ? 'floor' : 'three empty hops'
  return [
    `Single chat, ${options.pairs} pairs, 100 bytes.`,
    speedTable(rows),
    costTable(rows),
    ...(options.ours && options.beside !== 'nothing' ? [comparison(rows, 'coffeechat', other)] : []),
    ...(bulk === undefined ? [] : [bulk]),
    ...(memory === undefined ? [] : [`Memory after ${options.idle} s of idling:`, memoryTable(memory)]),
  ].join('\n\n')
}

/**
 * A broker compiles itself for a minute or more: whatever is measured first would pay for it.
 * The hops are the same for every system, and none of them is measured here.
 */
async function warmBrokers({ frame, options }: Bench, backing: Backing): Promise<void> {
  if (options.warmup === 0) return
  say(`Warming the brokers up for ${options.warmup * 2} s`)
  const generator = startGenerator(frame.root, frame.register)
  await generator.open({ do: 'open-hops', kafka: backing.kafka, pairs: options.pairs })
  await generator.measure({ do: 'open-loop', rate: warmupRate, seconds: options.warmup })
  await generator.measure({ do: 'closed-loop', inFlight: inFlightPerPair, seconds: options.warmup })
  await generator.close()
}

/** Single chat, on one system after the other. @param rows are filled by the bench */
async function measureSystems(bench: Bench, backing: Backing, rows: readonly Row[]): Promise<Results> {
  const { frame, options } = bench
  const results: Results = { rows, memory: undefined, bulk: undefined }
  await warmBrokers(bench, backing)
  if (options.ours) {
    const system = await startOurs(frame, backing, bench.profilesInto)
    results.memory = await idleMemory(frame, options.idle)
    await measureChat(bench, system)
    await system.stop()
  }
  if (options.beside === 'floor') {
    const system = await startFloor(frame, backing)
    await measureChat({ ...bench, profilesInto: undefined }, system)
    await system.stop()
  }
  if (options.beside === 'hops')
    results.bulk = await measureHops({ ...bench, profilesInto: undefined }, backing)
  return results
}

async function measureAll(frame: Frame, options: Options): Promise<number> {
  const stamp = new Date().toISOString().replace(/[:.]/g, '-')
  const into = join(frame.root, 'bench', 'results', stamp)
  mkdirSync(into, { recursive: true })
  const backing = await startBacking({ kafka: undefined, postgres: undefined, redis: undefined }, frame, {
    install: false,
    watchContainers: frame.guard.watchContainers,
  })
  await backing.up
  const rows: Row[] = []
  const bench: Bench = {
    frame,
    options,
    durability: await durabilityOf(backing, frame.folder.path),
    profilesInto: options.profile ? into : undefined,
    note: (row) => appendFileSync(join(into, 'rows.jsonl'), `${JSON.stringify(row)}\n`),
    keep(row) {
      say(lineOf(row))
      bench.note(row)
      rows.push(row)
    },
  }
  const reports: string[] = []
  if (options.chat) reports.push(render(await measureSystems(bench, backing, rows), options))
  if (options.groups) reports.push(await measureGroups(bench, backing))
  if (options.broadcast) reports.push(await measureBroadcast(bench, backing))

  const report = [machine(), ...reports].join('\n\n')
  writeFileSync(join(into, 'report.md'), `${report}\n`)
  say(`\n${report}\n`)
  say(`\nWritten to ${into}`)
  return 0
}

/** Runs the benchmark to its end; exits the program. */
export async function runBench(launch: Launch): Promise<void> {
  let options: Options
  try {
    options = readOptions(launch.argv, floorIsPresent(launch.root))
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
  if (options.help) {
    say(help)
    process.exit(0)
  }
  // beside the checkout's other state: a temporary folder of the system may be in memory
  const parent = join(launch.root, '.data', 'bench')
  mkdirSync(parent, { recursive: true })
  const dataDir = mkdtempSync(join(parent, 'run-'))
  chmodSync(dataDir, 0o755) // PostgreSQL's system user has to pass
  const leave = () => rmSync(dataDir, { recursive: true, force: true })
  await inFrame(launch, dataDir, (frame) => measureAll(frame, options), leave)
}
