/** The page at /docs: every call of /openapi.json with a form to try it. One document, nothing from elsewhere. */
import { createHash } from 'node:crypto'

const style = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
details { border: 1px solid #8884; border-radius: 6px; margin: .5rem 0; padding: .5rem 1rem }
summary { cursor: pointer; overflow-wrap: anywhere } code, textarea, input, pre { font: 13px/1.5 ui-monospace, monospace }
textarea, input { width: 100%; box-sizing: border-box } label { display: block; margin: .5rem 0 }
pre { overflow: auto; background: #8882; padding: .5rem }`

/** Runs in the browser. Writes text only, never markup. */
const script = `
const make = (name, text = '', into) => {
  const element = document.createElement(name)
  element.textContent = text
  into?.append(element)
  return element
}
const field = (into, label, name = 'input') => make(name, '', make('label', label, into))
const sample = (schema = {}) => {
  if (schema.anyOf) return sample(schema.anyOf[0])
  if (schema.type === 'object')
    return Object.fromEntries(
      Object.entries(schema.properties ?? {})
        .filter(([name]) => schema.required?.includes(name))
        .map(([name, each]) => [name, sample(each)]),
    )
  if (schema.type === 'array') return [sample(schema.items)]
  return schema.enum?.[0] ?? schema.const ?? (schema.type === 'string' ? '' : 0)
}
function show(method, path, call) {
  const box = make('details', '', document.querySelector('#calls'))
  make('code', method.toUpperCase() + ' ' + path, make('summary', (call.summary ?? '') + ' ', box))
  const inputs = (call.parameters ?? []).map((each) => [each, field(box, each.name + (each.required ? '' : ' (optional)'))])
  const schema = call.requestBody?.content?.['application/json']?.schema
  const body = schema && field(box, 'body', 'textarea')
  if (body) Object.assign(body, { value: JSON.stringify(sample(schema), null, 2), rows: 6 })
  const button = make('button', 'Send', box)
  const output = make('pre', '', box)
  button.onclick = async () => {
    let url = path
    const query = new URLSearchParams()
    for (const [{ name, in: place }, { value }] of inputs) {
      if (place === 'path') url = url.replace('{' + name + '}', encodeURIComponent(value))
      else if (value !== '') query.set(name, value)
    }
    if (query.size > 0) url += '?' + query
    const headers = { 'content-type': 'application/json' }
    const key = document.querySelector('#key').value.trim()
    if (key !== '') headers.authorization = 'Bearer ' + key
    try {
      const response = await fetch(url, { method: method.toUpperCase(), headers, ...(body ? { body: body.value } : {}) })
      const text = await response.text()
      output.textContent = response.status + ' ' + (response.headers.get('x-request-id') ?? '') + '\\n' + text
    } catch (error) {
      output.textContent = String(error)
    }
  }
}
const { paths } = await (await fetch('/openapi.json')).json()
for (const [path, methods] of Object.entries(paths))
  for (const [method, call] of Object.entries(methods)) show(method, path, call)
`

/** HTML. */
export const docsPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>CoffeeChat API</title>
<style>${style}</style>
<h1>CoffeeChat API</h1>
<p>Ids are decimal strings, times are milliseconds. Described by <a href="/openapi.json">/openapi.json</a>.</p>
<label>API key, or a user's token <input id="key" type="password" autocomplete="off"></label>
<div id="calls"></div>
<script type="module">${script}</script>
`

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Nothing but this very script and style, and calls to this server. */
export const docsPolicy = [
  "default-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "connect-src 'self'",
  `script-src ${hashOf(script)}`,
  `style-src ${hashOf(style)}`,
].join('; ')
