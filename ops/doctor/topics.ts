/** Whether every topic is there and is as the catalogue wants it. */
import type { TopicSettings } from '../../schemas/bus.js'
import type { TopicLayout } from '../ports.js'
import { plural } from '../report.js'
import { doubtful, type Finding, ok, wrong } from './finding.js'

const part = 'topics'
/** Of brokers that were not told otherwise. */
const defaultMaxMessageBytes = 1_048_588

/** Of each topic, and those of them that must have a record before it is acked. */
interface Copies {
  readonly replication: number
  readonly minInSync: number
}

const setOn = (topic: string, setting: string, value: string): string =>
  `kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config ${setting}=${value}`

/**
 * @param expected what the catalogue wants
 * @param layouts what the brokers have, by name
 * @param copies TOPIC_REPLICATION, and how many of them have to be in step
 */
export function topicFindings(
  expected: readonly TopicSettings[],
  layouts: ReadonlyMap<string, TopicLayout>,
  copies: Copies,
): Finding[] {
  const missing = expected.filter(({ name }) => !layouts.has(name)).map(({ name }) => name)
  const findings = expected.flatMap((topic) => {
    const layout = layouts.get(topic.name)
    return layout === undefined ? [] : differences(topic, layout, copies)
  })
  const there = expected.length - missing.length
  return [
    ...(missing.length === 0
      ? []
      : [
          wrong(
            part,
            `missing: ${missing.join(', ')}`,
            'node dist/main.js --setup makes them; is TOPIC_PREFIX right?',
          ),
        ]),
    ...(there === 0 ? [] : [ok(part, `${plural(there, 'topic')} of ${expected.length} there`)]),
    ...findings,
  ]
}

function differences(
  { name, partitions, config }: TopicSettings,
  layout: TopicLayout,
  copies: Copies,
): Finding[] {
  const findings: Finding[] = []
  const set = (setting: string, value: string) => setOn(name, setting, value)
  const wanted = (setting: string) => config[setting] ?? ''
  const actual = (setting: string) => layout.config[setting] ?? ''

  const bytes = Number(wanted('max.message.bytes') || defaultMaxMessageBytes)
  if (Number(actual('max.message.bytes')) < bytes)
    findings.push(
      wrong(
        part,
        `${name} takes records of ${actual('max.message.bytes')} bytes at most, and needs ${bytes}`,
        set('max.message.bytes', String(bytes)),
      ),
    )
  const stamp = 'message.timestamp.type'
  if (wanted(stamp) !== '' && actual(stamp) !== wanted(stamp))
    findings.push(
      wrong(
        part,
        `${name} has ${stamp}=${actual(stamp)}: delays and logins go by ${wanted(stamp)}`,
        set(stamp, wanted(stamp)),
      ),
    )
  if (
    !actual('cleanup.policy')
      .split(',')
      .every((policy) => policy === 'delete')
  )
    findings.push(
      wrong(
        part,
        `${name} has cleanup.policy=${actual('cleanup.policy')}, which loses events`,
        set('cleanup.policy', 'delete'),
      ),
    )
  const kept = Number(actual('retention.ms'))
  if (kept >= 0 && kept < Number(wanted('retention.ms')))
    findings.push(
      doubtful(
        part,
        `${name} keeps records for ${kept} ms, not ${wanted('retention.ms')}: an outage that lasts longer loses them`,
        set('retention.ms', wanted('retention.ms')),
      ),
    )
  return [
    ...findings,
    ...layoutDifferences(name, partitions, layout, copies.replication),
    ...copyDifferences(name, layout, copies),
  ]
}

function layoutDifferences(
  name: string,
  partitions: number,
  layout: TopicLayout,
  replication: number,
): Finding[] {
  const findings: Finding[] = []
  if (layout.partitions !== partitions)
    findings.push(
      doubtful(
        part,
        `${name} has ${plural(layout.partitions, 'partition')}, not ${partitions}: TOPIC_PARTITIONS counts only when a topic is made`,
        'set TOPIC_PARTITIONS to what there is, or stop everything and change it (docs/operate/kafka.md)',
      ),
    )
  if (layout.replicas < replication)
    findings.push(
      doubtful(
        part,
        `${name} has ${layout.replicas} of ${replication} copies: TOPIC_REPLICATION counts only when a topic is made`,
        'kafka-reassign-partitions.sh gives it more',
      ),
    )
  if (layout.outOfStep > 0)
    findings.push(
      doubtful(
        part,
        `${name} has ${plural(layout.outOfStep, 'partition')} whose copies are not in step`,
        'is a broker down?',
      ),
    )
  return findings
}

function copyDifferences(name: string, layout: TopicLayout, { minInSync }: Copies): Finding[] {
  const setting = 'min.insync.replicas'
  if (layout.config[setting] === undefined) return []
  const actual = Number(layout.config[setting])
  if (actual > layout.replicas)
    return [
      wrong(
        part,
        `${name} has ${setting}=${actual} and fewer copies (${layout.replicas}): nothing can be written to it`,
        setOn(name, setting, String(Math.min(minInSync, layout.replicas))),
      ),
    ]
  // Fewer copies than are wanted are said by themselves.
  if (actual === Math.min(minInSync, layout.replicas)) return []
  return [
    doubtful(
      part,
      `${name} has ${setting}=${actual}, not ${minInSync}: ${actual < minInSync ? 'what is acked may be lost with a broker' : 'one broker that is away stops all writing'}`,
      setOn(name, setting, String(minInSync)),
    ),
  ]
}
