/** Whether every consumer group is at work, keeps up, and rejects nothing. */
import { duration, plural } from '../report.js'
import type { Row } from '../topic-lag.js'
import { doubtful, type Finding, ok, wrong } from './finding.js'

const part = 'groups'
/** A group that has not handled a record for so long does not keep up, ms. */
const behind_ms = 60_000

/** @param rows as `topics` prints them */
export function groupFindings(rows: readonly Row[]): Finding[] {
  const ours = rows.filter(({ dead_letters }) => dead_letters !== undefined)
  const idle = ours.filter(({ members }) => members === 0).map(({ group }) => group)
  const late = ours.filter(({ age_ms = 0, delay_ms = 0 }) => age_ms - delay_ms > behind_ms)
  const rejected = ours.filter(({ dead_letters = 0 }) => dead_letters > 0)
  return [
    ...(idle.length === 0
      ? [ok(part, `${plural(ours.length, 'group')} at work`)]
      : [
          wrong(
            part,
            `nobody works in ${idle.join(', ')}`,
            'start a process with that role: npm start, or node dist/main.js --roles …',
          ),
        ]),
    ...late.map(({ group, topic, lag, age_ms }) =>
      doubtful(
        part,
        `${group} is ${plural(lag, 'record')} of ${topic} behind, the oldest ${duration(age_ms ?? 0)} old`,
        'look at the log of its process; more processes share the partitions',
      ),
    ),
    ...rejected.map(({ group, topic, dead_letters = 0 }) =>
      doubtful(
        part,
        `${group} has ${plural(dead_letters, 'dead letter')} of ${topic}`,
        `npm run ops -- dlq show ${topic}, then resend or drop`,
      ),
    ),
  ]
}
