/** The tables of settings in docs/operate/configure.md, written from schemas/config.ts. */
import { z } from 'zod'
import { secretSettings, settings } from '../../schemas/config.js'

const begin = '<!-- settings: npm run env-example writes this part from the code -->'
const end = '<!-- /settings -->'

type Name = keyof typeof settings

/** Each setting is in the first of these that it fits. */
const families: readonly (readonly [title: string, names: RegExp])[] = [
  ['Kafka', /^(KAFKA_|TOPIC)/],
  ['PostgreSQL', /^DATABASE_/],
  ['Redis', /^REDIS_/],
  ['How long things are kept', /^RETENTION_/],
  ['Files', /^(FILE_|S3_)/],
  ['Offline push and pushes of businesses', /^(PUSH_|APNS_|FCM_)/],
  ['Webhooks, robots and what businesses are told', /^(WEBHOOK_|ROBOT_|RECEIPTS_)/],
  ['Groups and contacts', /^(GROUP_|STRANGER_|BLOCKLIST_)/],
  ['Limits on clients', /^(MAX_|RATE_|AUTH_TIMEOUT|HEARTBEAT_TIMEOUT|MIN_CLIENT|HISTORY_|MESSAGE_ACK)/],
  ['Logs and traces', /^(LOG_|OTEL_|TRAC)/],
  ['Processes, listeners and keys', /^/],
]

interface JsonSchema {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
}

/** What may be written there: a choice, a range; nothing where any text may. */
function valuesOf(schema: z.ZodType): string {
  const shape = (io: 'input' | 'output') =>
    z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as JsonSchema
  const choice = shape('input').enum
  if (choice !== undefined) return choice.join(', ')
  const { minimum, maximum } = shape('output')
  return minimum === undefined ? '' : `${minimum} … ${maximum}`
}

function rowOf(name: Name): string {
  const { schema, fallback, meaning } = settings[name]
  const secret = secretSettings.has(name) ? ' **Secret.**' : ''
  const cells = [
    `\`${name}\``,
    fallback ? `\`${fallback}\`` : '',
    valuesOf(schema),
    meaning.replaceAll('|', '\\|') + secret,
  ]
  return `| ${cells.join(' | ')} |`
}

function tables(): string {
  const left = new Set(Object.keys(settings) as Name[])
  return families
    .map(([title, names]) => {
      const own = [...left].filter((name) => names.test(name))
      for (const name of own) left.delete(name)
      return { title, own }
    })
    .filter(({ own }) => own.length > 0)
    .map(({ title, own }) =>
      [`### ${title}`, '', '| setting | default | values | |', '|---|---|---|---|', ...own.map(rowOf)].join(
        '\n',
      ),
    )
    .join('\n\n')
}

/** The page with its generated part as the code says. @throws Error where the marks are gone */
export function withSettingTables(page: string): string {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) throw new Error(`the page has no part between ${begin} and ${end}`)
  return `${page.slice(0, from)}${begin}\n\n${tables()}\n\n${page.slice(to)}`
}
