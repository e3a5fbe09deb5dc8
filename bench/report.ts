/** Rows, and how they are shown: tables in markdown, one JSON line per row. */
import type { Figures, Spread } from './journal.js'
import type { Memory } from './usage.js'

/** One load on one system. */
export interface Row {
  readonly system: string
  /** Such as `1,000/s`, `most` or `knee 4,000/s`. */
  readonly load: string
  /** Messages a second that were due; null in a closed loop. */
  readonly rate: number | null
  readonly seconds: number
  readonly figures: Figures
  readonly faults: readonly string[]
  /** CPU-ms per delivered message of each process; undefined where it cannot be read. */
  readonly cpu: Readonly<Record<string, number>> | undefined
  /** Share of the machine's CPU that went to anything else: above a few percent, the row is no measurement. */
  readonly others: number | undefined
  readonly durability: string
}

/** In markdown. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

export const grouped = (value: number): string => Math.round(value).toLocaleString('en-US')

/** A time, as short as is honest. */
export function short_ms(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  return value < 10 ? value.toFixed(1) : grouped(value)
}

export const threeOf = ({ p50, p99, max }: Spread): string => [p50, p99, max].map(short_ms).join(' / ')

export const refusedOf = ({ refused, unanswered }: Pick<Figures, 'refused' | 'unanswered'>): string =>
  [
    ...Object.entries(refused).map(([code, count]) => `${grouped(count)} × code ${code}`),
    ...(unanswered > 0 ? [`${grouped(unanswered)} unanswered`] : []),
  ].join(', ') || '0'

export const percent = (share: number | undefined): string =>
  share === undefined ? '–' : `${Math.round(share * 100)}%`

/** The row in one line, for whoever waits. */
export function lineOf({ system, load, figures, faults, others }: Row): string {
  const { perSecond, ack, delivery, lost, doubled, outOfOrder, late } = figures
  return [
    `  ${system} ${load}: ${grouped(perSecond)}/s, ack ${threeOf(ack)} ms, delivery ${threeOf(delivery)} ms`,
    `lost ${lost}, doubled ${doubled}, out of order ${outOfOrder}, refused ${refusedOf(figures)}`,
    `generator late ${threeOf(late)} ms`,
    `others used ${percent(others)} of the machine`,
    ...faults.slice(0, 3),
  ].join('; ')
}

/** Rates, latencies and what went wrong. */
export function speedTable(rows: readonly Row[]): string {
  const head = [
    'system',
    'load',
    'delivered/s',
    'ack ms p50 / p99 / max',
    'delivery ms p50 / p99 / max',
    'lost',
    'doubled',
    'out of order',
    'refused',
    'generator late ms p50 / p99 / max',
    'durability',
  ]
  const cells = rows.map(({ system, load, figures, faults, durability }) => [
    system,
    load,
    grouped(figures.perSecond),
    threeOf(figures.ack),
    threeOf(figures.delivery),
    grouped(figures.lost),
    grouped(figures.doubled),
    grouped(figures.outOfOrder),
    refusedOf(figures) + (faults.length > 0 ? `; ${faults.length} faults: ${faults[0]}` : ''),
    threeOf(figures.late),
    durability,
  ])
  return table(head, cells)
}

/** CPU-ms per delivered message; `server` is all but the generator. */
export function costTable(rows: readonly Row[]): string {
  const parts = ['kafka', 'postgres', 'redis', 'generator']
  const cells = rows.flatMap(({ system, load, cpu, others }) => {
    if (cpu === undefined) return []
    const all = Object.entries(cpu)
    const server = all.filter(([name]) => name !== 'generator').reduce((sum, [, ms]) => sum + ms, 0)
    const own = all.find(([name]) => !parts.includes(name))?.[1]
    return [[system, load, server, own, ...parts.map((name) => cpu[name]), percent(others)]]
  })
  const show = (cell: string | number | undefined) =>
    typeof cell === 'string' ? cell : (cell?.toFixed(3) ?? '–')
  return table(
    ['system', 'load', 'server CPU-ms per message', 'of these its own', ...parts, 'others on the machine'],
    cells.map((row) => row.map(show)),
  )
}

/** Resident memory after idling, MiB. */
export function memoryTable(memory: Readonly<Record<string, Memory>>): string {
  const others = Object.entries(memory).filter(([name]) => name !== 'kafka')
  const sum = (read: (each: Memory) => number) => others.reduce((total, [, each]) => total + read(each), 0)
  return table(
    ['process', 'resident MiB', 'shared pages counted once'],
    [
      ...Object.entries(memory).map(([name, { resident, proportional }]) => [
        name,
        String(resident),
        String(proportional),
      ]),
      ['all but kafka', String(sum((each) => each.resident)), String(sum((each) => each.proportional))],
    ],
  )
}

/** How the first system stands to the second, load by load. */
export function comparison(rows: readonly Row[], ours: string, other: string): string {
  const cells = rows
    .filter((row) => row.system === ours)
    .flatMap((row) => {
      const beside = rows.find(({ system, load }) => system === other && load === row.load)
      if (beside === undefined) return []
      const ratio = (read: (figures: Figures) => number | null) => {
        const [above, below] = [read(row.figures), read(beside.figures)]
        return above === null || below === null || below === 0 ? '–' : (above / below).toFixed(2)
      }
      return [
        [
          row.load,
          ratio((figures) => figures.delivery.p50),
          ratio((figures) => figures.delivery.p99),
          ratio((figures) => figures.ack.p50),
          ratio((figures) => figures.perSecond),
        ],
      ]
    })
  return table([`${ours} ÷ ${other}`, 'delivery p50', 'delivery p99', 'ack p50', 'delivered/s'], cells)
}
