/** `skip GROUP`: the group passes over what it has not handled yet. */
import { fullName } from '../schemas/topics.js'
import { groupOf, type Operation } from './consumer-groups.js'
import { Refusal } from './refusal.js'
import { plural, type Report } from './report.js'

/**
 * Moves the group to the end of its topic. What it has read and not finished is lost to it too.
 * @throws Refusal where there is no such group or topic
 */
export async function skip(
  { group: given, dryRun }: { readonly group: string; readonly dryRun: boolean },
  operation: Operation,
): Promise<Report> {
  const { bus, prefix } = operation
  const group = groupOf(operation, given)
  const [topic, groupId] = [fullName(prefix, group.topic), prefix + group.name]
  const ends = await bus.ends(topic)
  if (ends.length === 0) throw new Refusal(`There is no topic ${topic}: is TOPIC_PREFIX right?`)
  const committed = await bus.committed(groupId, topic)
  const records = ends.reduce(
    (sum, { partition, low, high }) => sum + high - Math.max(committed.get(partition) ?? low, low),
    0,
  )
  const json = { group: groupId, topic, records, dry_run: dryRun }
  const text = `${groupId} has not handled ${plural(records, 'record')} of ${topic}`
  if (dryRun) return { json, text: [text, 'Nothing was done (--dry-run).'] }
  await bus.moveGroup(groupId, topic, new Map(ends.map(({ partition, high }) => [partition, high])))
  return { json, text: [text, 'It goes on behind them.'] }
}
