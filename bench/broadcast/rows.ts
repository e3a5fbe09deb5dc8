/** One push to everyone online: how long until the last of ten thousand connections has it, and all of it is written down. */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Backing } from '../../infra/local/backing.js'
import { say } from '../../infra/local/terminal.js'
import { createTokenSigner } from '../../infra/tokens.js'
import { startGenerator } from '../drive.js'
import { makeUsers } from '../groups/seed.js'
import { grouped, table, threeOf } from '../report.js'
import { type Bench, countCpu, measuredPids, openProfiler } from '../rows.js'
import { profilesOf, startGates } from '../systems.js'
import type { BroadcastFigures } from './audience.js'

/** Far from the users that other rows register. */
const firstId = 900_001
const repeats = 3
const settledWithin_ms = 60_000

interface BroadcastRow {
  readonly listeners: number
  readonly figures: BroadcastFigures
  /** From when it was asked for until every receiver's ack is stored, ms. */
  readonly settled: number
  /** CPU-ms per delivery of each process, the acks and their storing included. */
  readonly cpu: Readonly<Record<string, number>> | undefined
}

const settledPush = `SELECT count(*)::int AS acked, max(acked_at)::float8 AS last FROM im_push_receiver
  WHERE push_id = $1 AND state = 'acked'`

/** When the last ack is stored. */
async function settled(client: pg.Client, push_id: string, listeners: number): Promise<number> {
  for (const deadline = Date.now() + settledWithin_ms; Date.now() < deadline; await pause(100)) {
    const { rows } = await client.query<{ acked: number }>(settledPush, [push_id])
    if ((rows[0]?.acked ?? 0) >= listeners) return Date.now()
  }
  return Number.NaN
}

const names = ['gate-1', 'gate-2', 'workers', 'kafka', 'postgres', 'redis', 'generator']

function costs(rows: readonly BroadcastRow[]): string {
  const cells = rows.map(({ cpu = {} }) => names.map((name) => ((cpu[name] ?? 0) * 1_000).toFixed(0)))
  return table(
    names.map((name) => `${name} CPU-µs per receiver`),
    cells,
  )
}

const report = (rows: readonly BroadcastRow[], durability: string): string =>
  [
    `One push to everyone online, on two gateway processes and one with all other roles; durability: ${durability}.`,
    table(
      [
        'online',
        'received',
        'doubled',
        'asked ms',
        'each ms p50 / p99 / last',
        'acks stored ms',
        'heartbeat',
      ],
      rows.map(({ listeners, figures, settled: settled_ms }) => [
        grouped(listeners),
        grouped(figures.received),
        grouped(figures.doubled),
        figures.answered.toFixed(0),
        threeOf(figures.each),
        settled_ms.toFixed(0),
        threeOf(figures.heartbeat),
      ]),
    ),
    costs(rows),
  ].join('\n\n')

/** Measures broadcasts, and answers the report. */
export async function measureBroadcast(bench: Bench, backing: Backing): Promise<string> {
  const { frame, options, durability, profilesInto } = bench
  const listeners = options.listeners
  const signer = createTokenSigner([frame.folder.keepsakes.tokenSecret])
  const system = await startGates(frame, backing, profilesInto)
  const client = new pg.Client({ connectionString: backing.postgres })
  await client.connect()
  await client.query(makeUsers, [firstId, listeners])
  await client.query('ANALYZE im_user')
  const generator = startGenerator(frame.root, frame.register)
  const accounts = Array.from({ length: listeners }, (_, at) => ({
    id: firstId + at,
    token: signer.sign(firstId + at, 1),
  }))
  say(`Logging ${grouped(listeners)} users in`)
  await generator.open({ do: 'open-audience', gates: system.gates, listeners: accounts })
  const rows: BroadcastRow[] = []
  const broadcastOnce = async (): Promise<BroadcastRow> => {
    const push_id = randomUUID()
    const cost = countCpu(() => measuredPids(frame))
    const begun = Date.now()
    const last = settled(client, push_id, listeners)
    const [http = ''] = system.https
    const { apiKey } = system
    const figures = await generator.broadcast({ do: 'broadcast', http, apiKey, push_id })
    return { listeners, figures, settled: (await last) - begun, ...cost(figures.received) }
  }
  const profilers = Object.entries(profilesInto === undefined ? {} : system.pids).map(([name, pid]) =>
    openProfiler(profilesOf(profilesInto!, name), pid),
  )
  if (options.warmup > 0) {
    say('Warming up')
    const { figures } = await broadcastOnce()
    say(`  the first after the start: ${threeOf(figures.each)} ms`)
  }
  for (let time = 0; time < repeats; time++) {
    const title = `broadcast ${time + 1}`
    const row = await profilers.reduce((inner, profiler) => () => profiler(title, inner), broadcastOnce)()
    say(`  ${title}: ${threeOf(row.figures.each)} ms, stored after ${row.settled.toFixed(0)} ms`)
    bench.note(row)
    rows.push(row)
  }
  await generator.close()
  await client.end()
  await system.stop()
  return report(rows, durability)
}
