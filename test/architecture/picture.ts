/** The parts of ARCHITECTURE.md that are drawn from the declarations: the dataflow, and the table of topics. */
import type { AnyTopic } from '../../schemas/topics.js'
import { businesses, catalogue, gateway, parts, readersOf, writersOf } from './declarations.js'

const node = (name: string): string => name.replace(/[^a-z0-9]+/g, '_')
const shown = (topic: AnyTopic): string => topic.name.replace('{}', 'ID')

function arrows(topic: AnyTopic): string[] {
  const name = `t_${node(topic.name)}`
  const late = topic.delay === undefined ? '-->' : '-. when due .->'
  return [
    `  ${name}([${shown(topic)}])`,
    ...writersOf(topic).map((writer) => `  ${node(writer)} --> ${name}`),
    ...readersOf(topic).map((reader) => `  ${name} ${late} ${node(reader)}`),
  ]
}

/** Mermaid: boxes are roles, rounded boxes topics. */
function dataflowPicture(): string {
  const boxes = parts.map(({ name }) => `  ${node(name)}[${name}]`)
  return [
    '```mermaid',
    'flowchart LR',
    `  clients{{clients}} <--> ${node(gateway)}`,
    ...boxes,
    ...catalogue.flatMap(arrows),
    `  style ${node(businesses)} stroke-dasharray: 4`,
    '```',
  ].join('\n')
}

const hour_ms = 3_600_000

const kept = (retention_ms: number): string => {
  const hours = retention_ms / hour_ms
  return hours < 48 ? `${hours} h` : `${hours / 24} d`
}

/** A Markdown table with one row per topic of the catalogue. */
function topicTable(): string {
  const rows = catalogue.map((topic) =>
    [
      `\`${topic.name.replace('{}', '<gate id>')}\``,
      topic.payload,
      topic.partitions === 'busy' ? '`TOPIC_PARTITIONS`' : String(topic.partitions),
      kept(topic.retention_ms),
      writersOf(topic).join(', '),
      readersOf(topic).join(', '),
      topic.purpose,
    ].join(' | '),
  )
  const head = ['topic', 'payload', 'partitions', 'kept', 'written by', 'read by', 'what it says']
  return [head.join(' | '), head.map(() => '---').join(' | '), ...rows].map((row) => `| ${row} |`).join('\n')
}

/** ARCHITECTURE.md with the picture and the table as they should be. */
export const withPicture = (text: string): string =>
  between(between(text, 'dataflow', dataflowPicture()), 'topics', topicTable())

/** Replaces what stands between `<!-- name: … -->` and `<!-- /name -->`. */
function between(text: string, name: string, part: string): string {
  const marked = new RegExp(`(<!-- ${name}: [^\\n]*-->\\n)[\\s\\S]*?(<!-- /${name} -->)`)
  if (!marked.test(text)) throw new Error(`there is no <!-- ${name}: … --> … <!-- /${name} -->`)
  return text.replace(marked, (_, begin: string, end: string) => `${begin}\n${part}\n\n${end}`)
}
