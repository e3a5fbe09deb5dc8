/** Rows about groups and catching up, as lines and tables. */
import { grouped, percent, refusedOf, short_ms, table, threeOf } from '../report.js'
import type { GroupFigures } from './journal.js'
import type { ReadingFigures } from './reading.js'

/** One load in one group. */
export interface GroupRow {
  readonly system: string
  readonly load: string
  /** Messages a second that were due. */
  readonly rate: number
  readonly seconds: number
  readonly figures: GroupFigures
  readonly faults: readonly string[]
  /** CPU-ms per delivery of each process. */
  readonly cpu: Readonly<Record<string, number>> | undefined
  readonly others: number | undefined
  readonly durability: string
}

/** Requests of one kind. */
export interface ReadingRow {
  readonly system: string
  readonly what: string
  readonly figures: ReadingFigures
  readonly durability: string
}

/** The row in one line, for whoever waits. */
export function groupLine({ system, load, rate, figures, faults, others }: GroupRow): string {
  const { perSecond, ack, each, last, lost, doubled, outOfOrder, late } = figures
  return [
    `  ${system} ${load} (${grouped(rate)}/s): ${grouped(perSecond)} deliveries/s, last ${threeOf(last)} ms`,
    `each ${threeOf(each)} ms, ack ${threeOf(ack)} ms`,
    `lost ${lost}, doubled ${doubled}, out of order ${outOfOrder}, refused ${refusedOf(figures)}`,
    `generator late ${threeOf(late)} ms`,
    `others used ${percent(others)} of the machine`,
    ...faults.slice(0, 3),
  ].join('; ')
}

/** The same. */
export const readingLine = ({ system, what, figures }: ReadingRow): string =>
  `  ${system} ${what}: ${threeOf(figures.request)} ms a request` +
  (figures.whole
    ? `, ${threeOf(figures.whole)} ms in all, ${grouped(figures.perSecond ?? 0)} messages/s`
    : '')

const cpu_us = (row: GroupRow, names: readonly string[]): string => {
  const { cpu } = row
  if (cpu === undefined) return '–'
  return short_ms(1000 * names.reduce((sum, name) => sum + (cpu[name] ?? 0), 0))
}

function groupTable(rows: readonly GroupRow[]): string {
  const head = [
    'system',
    'group',
    'messages/s',
    'deliveries/s',
    'last delivery ms p50 / p99 / max',
    'each delivery',
    'ack',
    'lost',
    'doubled',
    'out of order',
    'refused',
    'generator late',
  ]
  const cells = rows.map(({ system, load, rate, figures, faults }) => [
    system,
    load,
    grouped(rate),
    grouped(figures.perSecond),
    threeOf(figures.last),
    threeOf(figures.each),
    threeOf(figures.ack),
    grouped(figures.lost),
    grouped(figures.doubled),
    grouped(figures.outOfOrder),
    refusedOf(figures) + (faults.length > 0 ? `; ${faults.length} faults: ${faults[0]}` : ''),
    threeOf(figures.late),
  ])
  return table(head, cells)
}

function groupCosts(rows: readonly GroupRow[]): string {
  const cells = rows.map((row) => [
    row.system,
    row.load,
    cpu_us(row, ['gate-1', 'gate-2']),
    cpu_us(row, ['workers', 'floor']),
    ...['kafka', 'postgres', 'redis', 'generator'].map((name) => cpu_us(row, [name])),
    percent(row.others),
  ])
  return table(
    [
      'CPU-µs per delivery',
      'group',
      'gateways',
      'workers',
      'kafka',
      'postgres',
      'redis',
      'generator',
      'others',
    ],
    cells,
  )
}

function readingTable(rows: readonly ReadingRow[]): string {
  const cells = rows.map(({ system, what, figures }) => [
    system,
    what,
    threeOf(figures.request),
    figures.whole ? threeOf(figures.whole) : '–',
    figures.perSecond === undefined ? '–' : grouped(figures.perSecond),
  ])
  return table(['system', 'what', 'a request, ms p50 / p99 / max', 'all of it', 'messages/s'], cells)
}

/** All of it, in markdown. */
export function groupReport(groups: readonly GroupRow[], reading: readonly ReadingRow[]): string {
  const durability = groups[0]?.durability ?? reading[0]?.durability
  return [
    `Groups on two gateway processes and one with all other roles; durability: ${durability}.`,
    groupTable(groups),
    groupCosts(groups),
    'Catching up, one request after the other:',
    readingTable(reading),
  ].join('\n\n')
}
