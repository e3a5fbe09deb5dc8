/** One round of a notification: ledger, providers, ledger, in this order. What has no outcome goes on in a next round. */
import { deviceKey } from '../../schemas/ids.js'
import type { Trace } from '../../schemas/tracing.js'
import type {
  DeadAddress,
  Notification,
  Notified,
  Notifier,
  OpenPush,
  PushAddress,
  PushLedger,
  PushOpening,
  PushOutcome,
  PushRates,
  PushTargets,
} from '../ports/push.js'
import type { PhoneCache } from '../ports/users.js'

/** A row of the ledger, with what to show or why not. */
export interface PushRow extends PushOpening {
  readonly addresses: readonly PushAddress[]
  readonly show: Omit<Notification, 'notification_id'> | { readonly suppressed: string }
  readonly trace?: Trace | undefined
}

export interface RoundPorts {
  readonly pushTargets: Pick<PushTargets, 'remove'>
  readonly pushLedger: PushLedger
  readonly pushRates: PushRates
  readonly notifier: Notifier
  readonly phones: PhoneCache
  /** How often a notification is tried again. */
  readonly pushRetries: number
}

/** What follows from a round. */
export type RoundResult =
  | { readonly kind: 'over' }
  /** To be tried again as this round, after the pause that the provider asked for. */
  | { readonly kind: 'again'; readonly round: number; readonly pause_ms: number }
  | { readonly kind: 'given-up'; readonly answer: string }

/** Calls to providers at once; then their outcomes are written. */
const notificationsAtOnce = 64
const over: RoundResult = { kind: 'over' }

/** One round for each row; of rows for the same message and device one is tried, and the others are over. */
export async function runRounds(rows: readonly PushRow[], ports: RoundPorts): Promise<RoundResult[]> {
  const distinct = [...new Map(rows.map((row) => [keyText(row), row])).values()]
  const results = new Map<PushRow, RoundResult>()
  for (let at = 0; at < distinct.length; at += notificationsAtOnce) {
    const some = distinct.slice(at, at + notificationsAtOnce)
    const found = await runSome(some, ports)
    for (const [index, row] of some.entries()) results.set(row, found[index] ?? over)
  }
  return rows.map((row) => results.get(row) ?? over)
}

const keyText = (row: PushRow): string =>
  JSON.stringify([row.reader_user_id, deviceKey(row.device), row.from_user_id, row.msg_id])

/** A round that is over for the ledger, and what follows. */
interface Ended {
  readonly outcome: PushOutcome
  readonly result: RoundResult
  readonly dead: readonly DeadAddress[]
}

async function runSome(rows: readonly PushRow[], ports: RoundPorts): Promise<RoundResult[]> {
  const opened = await ports.pushLedger.open(rows)
  const allowed = await ratesOf(rows, opened, ports)
  const ended = await Promise.all(
    rows.map((row, at) => runOne(row, opened[at], allowed.get(row) ?? true, ports)),
  )
  const real = ended.filter((each): each is Ended => 'outcome' in each)
  await ports.pushLedger.settle(real.map(({ outcome }) => outcome))
  const dead = real.flatMap((each) => each.dead)
  if (dead.length > 0) {
    await ports.pushTargets.remove(dead)
    await ports.phones.forget([...new Set(dead.map((each) => each.user_id))])
  }
  return ended.map((each) => ('outcome' in each ? each.result : each))
}

/** Whether the devices of what is shown for the first time may be shown one more. */
async function ratesOf(
  rows: readonly PushRow[],
  opened: readonly (OpenPush | undefined)[],
  { pushRates }: RoundPorts,
): Promise<Map<PushRow, boolean>> {
  const first = rows.filter((row, at) => opened[at]?.round === 0 && !('suppressed' in row.show))
  if (first.length === 0) return new Map()
  const allowed = await pushRates.take(
    first.map(({ reader_user_id, device }) => ({ user_id: reader_user_id, device })),
  )
  return new Map(first.map((row, at) => [row, allowed[at] ?? true]))
}

async function runOne(
  row: PushRow,
  opened: OpenPush | undefined,
  isAllowed: boolean,
  ports: RoundPorts,
): Promise<Ended | RoundResult> {
  if (opened === undefined) return over
  const { notification_id, round, provider } = opened
  // That round was made, and whoever made it may have died before it said that the next one is due.
  if (round > row.round) return { kind: 'again', round, pause_ms: 0 }
  const { show } = row
  if ('suppressed' in show) return suppressed(row, show.suppressed)
  if (!isAllowed) return suppressed(row, 'too many in a minute')
  const notification = { ...show, notification_id, ...(row.trace === undefined ? {} : { trace: row.trace }) }
  const notified = await ports.notifier.notify(notification, row.addresses, provider)
  return endOf(row, notified, ports.pushRetries)
}

const suppressed = (row: PushRow, answer: string): Ended => ({
  outcome: { ...keyOf(row), state: 'suppressed', provider: null, answer, attempts: 0 },
  result: over,
  dead: [],
})

const keyOf = ({ reader_user_id, device, from_user_id, msg_id, round }: PushRow) => ({
  reader_user_id,
  device,
  from_user_id,
  msg_id,
  round,
})

function endOf(row: PushRow, notified: Notified, retries: number): Ended {
  const { outcome, provider, answer, attempts, retryAfter_ms = 0 } = notified
  const dead = notified.dead.map((each) => ({ ...each, user_id: row.reader_user_id, device: row.device }))
  if (outcome === 'refused' && attempts === 0) return suppressed(row, answer)
  const said = { ...keyOf(row), provider, answer, attempts }
  if (outcome !== 'unknown') return { outcome: { ...said, state: outcome }, result: over, dead }
  const next = row.round + 1
  return next > retries
    ? { outcome: { ...said, state: 'failed' }, result: { kind: 'given-up', answer }, dead }
    : {
        outcome: { ...said, state: 'pending' },
        result: { kind: 'again', round: next, pause_ms: retryAfter_ms },
        dead,
      }
}
