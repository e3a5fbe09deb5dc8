/**
 * Reports of clients to the business (spec 3, report.submitted). One that was published before under its report_id is
 * published again with a mark, since only its sender can know whether the first answer arrived.
 */
import type { OutgoingRecord } from '../schemas/bus.js'
import type { ReportSubmittedJson } from '../schemas/business-events.js'
import { type RecordStyle, recordOf, topics } from '../schemas/topics.js'
import { publication, publishWithin, type Tracer } from '../schemas/tracer.js'
import { type Trace, withTraces } from '../schemas/tracing.js'
import type { ReportLedger } from './ports.js'

export interface Reports {
  /**
   * Resolves when the bus has the report on all in-sync replicas, with whether it was there before.
   * Rejects where nobody can say whether it is there.
   */
  submit(
    report: Omit<ReportSubmittedJson, 'repeated'>,
    trace: Trace | undefined,
  ): Promise<{ readonly repeated: boolean }>
}

interface ReportOptions {
  readonly style: RecordStyle
  readonly ledger: ReportLedger
  readonly publish: (records: readonly OutgoingRecord[]) => Promise<void>
  readonly tracer: Tracer
}

export function createReports({ style, ledger, publish, tracer }: ReportOptions): Reports {
  /** The latest report under each id that is on its way: a repeat waits for it, or both would pass for the first. */
  const underWay = new Map<string, Promise<unknown>>()

  async function submitOne(report: Omit<ReportSubmittedJson, 'repeated'>, trace: Trace | undefined) {
    const { user_id, report_id } = report
    const repeated = await ledger.isPublished(user_id, report_id)
    const marked: ReportSubmittedJson = { ...report, ...(repeated ? { repeated: true } : {}) }
    const record = recordOf(style, topics.reportSubmitted, marked)
    const start = () => publication(style.prefix, topics.reportSubmitted)
    await publishWithin(tracer, trace, start, (own) => publish([withTraces(record, [own], 1)]))
    // Only now: a mark must never stand on what was not published before.
    if (!repeated) await ledger.published(user_id, report_id)
    return { repeated }
  }

  return {
    submit(report, trace) {
      const name = `${report.user_id} ${report.report_id}`
      const before = underWay.get(name) ?? Promise.resolve()
      const mine = before.catch(() => {}).then(() => submitOne(report, trace))
      underWay.set(name, mine)
      const forget = () => void (underWay.get(name) === mine && underWay.delete(name))
      mine.then(forget, forget)
      return mine
    },
  }
}
