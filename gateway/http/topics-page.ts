/** The page at /docs/topics: /asyncapi.json to read. Made on the server; one document, nothing from elsewhere, no script. */
import { createHash } from 'node:crypto'
import type { AsyncApi, JsonSchema } from '../../schemas/asyncapi.js'

const style = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; overflow-wrap: anywhere } code, pre { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
pre { background: #8882; padding: .5rem 1rem; white-space: pre-wrap } dt { margin-top: .5rem }
dd { margin: 0 0 0 1rem } dl dl { margin: 0 } small { opacity: .75 }`

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
const code = (text: string): string => `<code>${escaped(text)}</code>`

function typeOf({ type, items, enum: values, const: only }: JsonSchema): string {
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' | ')
  if (only !== undefined) return JSON.stringify(only)
  if (items !== undefined) return `list of ${typeOf(items)}`
  return type ?? 'any'
}

const fields = ({ properties = {}, required = [] }: JsonSchema): string =>
  `<dl>${Object.entries(properties)
    .map(([name, schema]) => {
      const optional = required.includes(name) ? '' : ' <small>optional</small>'
      const said = schema.description ? escaped(schema.description) : ''
      const inner = schema.properties ? fields(schema) : ''
      return `<dt>${code(name)} <small>${escaped(typeOf(schema))}</small>${optional}</dt><dd>${said}${inner}</dd>`
    })
    .join('')}</dl>`

const days = (time_ms: number): string => `${time_ms / 86_400_000} days`

function section(document: AsyncApi, name: string): string {
  const channel = document.channels[name]!
  const operation = Object.values(document.operations).find(({ channel: { $ref } }) =>
    $ref.endsWith(`/${name}`),
  )
  const messages = Object.keys(channel.messages).map((each) => document.components.messages[each]!)
  const message = messages.find((each) => 'examples' in each)!
  const others = messages.flatMap((each) =>
    'description' in each ? `${each.contentType}: ${each.description}` : [],
  )
  const { partitions, topicConfiguration } = channel.bindings.kafka
  return `<h2 id="${escaped(name)}">${escaped(channel.address)}</h2>
<p>${operation?.action === 'receive' ? 'You write it' : 'You read it'}: ${escaped(channel.description)}.</p>
<p><small>Key: ${escaped(message.bindings.kafka.key.description)} · ${partitions} partitions · kept ${days(topicConfiguration['retention.ms'])}</small></p>
${fields(message.payload)}
<pre>${escaped(JSON.stringify(message.examples[0]?.payload, null, 2))}</pre>
<p><small>Or ${escaped(others.join('; '))}.</small></p>`
}

/** HTML. */
export const topicsPage = (document: AsyncApi): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>CoffeeChat topics</title>
<style>${style}</style>
<h1>CoffeeChat topics</h1>
<p>${escaped(document.info.description)} Described by <a href="/asyncapi.json">/asyncapi.json</a> and <a href="/business.proto">/business.proto</a>; the API is at <a href="/docs">/docs</a>.</p>
<ul>${Object.keys(document.channels)
  .map((name) => `<li><a href="#${escaped(name)}">${escaped(name)}</a></li>`)
  .join('')}</ul>
${Object.keys(document.channels)
  .map((name) => section(document, name))
  .join('\n')}
</html>
`

/** Nothing but this very style. */
export const topicsPolicy = [
  "default-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
].join('; ')
