/** Group chat and catching up: what is measured, on our two gateways and on the yardstick. */
import type { Backing } from '../../infra/local/backing.js'
import { say } from '../../infra/local/terminal.js'
import { createTokenSigner } from '../../infra/tokens.js'
import { type Generator, startGenerator } from '../drive.js'
import { findKnee } from '../knee.js'
import { grouped } from '../report.js'
import { type Bench, countCpu, measuredPids, openProfiler } from '../rows.js'
import { type GatedSystem, profilesOf, startGates, startGroupFloor } from '../systems.js'
import type { GroupFigures } from './journal.js'
import type { ReadingOrder } from './reading.js'
import { type GroupRow, groupLine, groupReport, type ReadingRow, readingLine } from './report.js'
import { type Seeded, seed, sizes } from './seed.js'

/** The goal for the last delivery of a message (p99), which is the limit of the knee too. */
const promptBelow_ms = 150
const senders = 10
const rate = 20
const largeRate = 10
const kneeTry_s = 5
/** A rate at which a message is that late is above the knee: going on would only fill queues. */
const giveUp_ms = 2_000
const warmup_s = 10

const isPrompt = ({ sent, acked, last, lost, delivered }: GroupFigures, members: number): boolean =>
  (last.p99 ?? Number.POSITIVE_INFINITY) <= promptBelow_ms &&
  lost === 0 &&
  acked === sent &&
  delivered === sent * (members - 1)

interface Results {
  readonly groups: GroupRow[]
  readonly reading: ReadingRow[]
}

/** Measures one system: its rows go into `results` as they come. */
function measurer(bench: Bench, system: GatedSystem, generator: Generator, results: Results) {
  const { frame, durability, profilesInto } = bench
  const profilers =
    profilesInto === undefined
      ? []
      : Object.entries(system.pids).map(([name, pid]) => openProfiler(profilesOf(profilesInto, name), pid))

  function profiled<T>(title: string, work: () => Promise<T>): Promise<T> {
    return profilers.reduce((inner, profiler) => () => profiler(title, inner), work)()
  }

  async function measure(load: string, messages_s: number, seconds: number): Promise<GroupRow> {
    const cost = countCpu(() => measuredPids(frame))
    const { figures, faults } = await profiled(load, () =>
      generator.measureGroup({ do: 'group-loop', rate: messages_s, seconds, giveUp_ms }),
    )
    const row = { system: system.name, load, rate: messages_s, seconds, figures, faults, durability }
    return { ...row, ...cost(figures.delivered) }
  }
  function keep(row: GroupRow): void {
    say(groupLine(row))
    bench.note(row)
    results.groups.push(row)
  }

  async function knee(load: string, members: number): Promise<void> {
    const tried = new Map<number, GroupRow>()
    const best = await findKnee(
      rate,
      async (messages_s) => {
        const row = await measure(load, messages_s, kneeTry_s)
        const holds = isPrompt(row.figures, members)
        const { last, lost } = row.figures
        say(`  ${system.name} at ${grouped(messages_s)}/s: p99 ${last.p99?.toFixed(0)} ms, lost ${lost}`)
        if (holds) tried.set(messages_s, row)
        return holds
      },
      1,
    )
    const row = tried.get(best)
    if (row !== undefined) keep(row)
  }

  async function read(what: string, order: ReadingOrder): Promise<void> {
    const row = {
      system: system.name,
      what,
      figures: await generator.read({ do: 'read', ...order }),
      durability,
    }
    say(readingLine(row))
    bench.note(row)
    results.reading.push(row)
  }
  return { measure, keep, knee, read }
}

type Measurer = ReturnType<typeof measurer>

async function measureMembers(
  { options }: Bench,
  { gates }: GatedSystem,
  generator: Generator,
  seeded: Seeded,
  { measure, keep, knee }: Measurer,
): Promise<void> {
  const { group_id, largeGroup_id, members } = seeded
  const small = members.slice(0, sizes.group)
  await generator.open({ do: 'open-crowd', gates, group_id, members: small, senders })
  if (options.warmup > 0) {
    say('Warming up')
    await measure('warm-up', rate, warmup_s)
    await measure('warm-up', rate * 2, warmup_s)
  }
  const seconds = Math.min(options.seconds, 15)
  keep(await measure(`${sizes.group} online, ${rate}/s`, rate, seconds))
  if (options.knee) await knee(`${sizes.group} online, knee`, small.length)
  await generator.open({ do: 'open-crowd', gates, group_id: largeGroup_id, members, senders })
  if (options.warmup > 0) await measure('warm-up', largeRate, warmup_s / 2)
  const load = `${grouped(members.length)} of ${grouped(sizes.largeGroup)} online, ${largeRate}/s`
  keep(await measure(load, largeRate, seconds))
}

const pageOf = { sessions: 50, history: 50, sync: 100 } as const

async function measureReading({ gates }: GatedSystem, seeded: Seeded, { read }: Measurer): Promise<void> {
  const [tcp = ''] = gates
  const requests = 200
  const { lister, talker, talker_peer, syncers } = seeded
  const history = {
    tcp,
    what: 'history',
    account: talker,
    peer_id: talker_peer,
    requests,
    limit: pageOf.history,
  } as const
  await read(`${grouped(sizes.sessions)} sessions, first page of ${pageOf.sessions}`, {
    tcp,
    what: 'sessions',
    account: lister,
    requests,
    limit: pageOf.sessions,
  })
  await read(`${grouped(sizes.history)} messages of a pair, newest page of ${pageOf.history}`, {
    ...history,
    before: [0, 0],
  })
  await read(`${grouped(sizes.history)} messages of a pair, any page of ${pageOf.history}`, {
    ...history,
    before: [pageOf.history, sizes.history],
  })
  await read(`sync of ${grouped(sizes.syncMessages)} messages, pages of ${pageOf.sync}`, {
    tcp,
    what: 'sync',
    accounts: syncers,
    limit: pageOf.sync,
    messages: sizes.syncMessages,
  })
}

async function measureFloor(bench: Bench, backing: Backing, seeded: Seeded, results: Results): Promise<void> {
  const { frame } = bench
  const system = await startGroupFloor(frame, backing)
  const generator = startGenerator(frame.root, frame.register)
  const floor = measurer({ ...bench, profilesInto: undefined }, system, generator, results)
  await measureMembers(bench, system, generator, seeded, floor)
  const [tcp = ''] = system.gates
  const { lister } = seeded
  await floor.read('a request over two empty hops', {
    tcp,
    what: 'sessions',
    account: lister,
    requests: 200,
    limit: 1,
  })
  await generator.close()
  await system.stop()
}

/** Measures groups and catching up, and answers the report. */
export async function measureGroups(bench: Bench, backing: Backing): Promise<string> {
  const { frame, options } = bench
  const results: Results = { groups: [], reading: [] }
  const signer = createTokenSigner([frame.folder.keepsakes.tokenSecret])
  const system = await startGates(frame, backing, bench.profilesInto)
  say('Writing the members, and a past of a million messages')
  const seeded = await seed(backing.postgres, (user) => signer.sign(user, 1))
  if (options.ours) {
    const generator = startGenerator(frame.root, frame.register)
    const ours = measurer(bench, system, generator, results)
    await measureReading(system, seeded, ours)
    await measureMembers(bench, system, generator, seeded, ours)
    await generator.close()
  }
  await system.stop()
  if (options.beside !== 'nothing') await measureFloor(bench, backing, seeded, results)
  return groupReport(results.groups, results.reading)
}
