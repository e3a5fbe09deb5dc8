/** The page at /docs: every call of /openapi.json with a form to try it. One document, nothing from elsewhere. */
import { createHash } from 'node:crypto'

const style = `
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; overflow-wrap: anywhere }
h2 { margin: 2rem 0 .5rem; text-transform: capitalize }
details { border: 1px solid #8884; border-radius: 6px; margin: .5rem 0; padding: .5rem 1rem }
details details { font-size: 13px; padding: .25rem .5rem }
summary { cursor: pointer } code, textarea, input, pre { font: 13px/1.5 ui-monospace, monospace }
summary b { font: 600 12px/1.5 ui-monospace, monospace; display: inline-block; min-width: 4.5rem }
summary small { display: block; opacity: .75; padding-left: 1.1rem }
textarea, input { width: 100%; box-sizing: border-box } label { display: block; margin: .5rem 0 } label small { opacity: .75 }
button { font: inherit; padding: .25rem 1rem; margin: .25rem 0 }
pre { white-space: pre-wrap; background: #8882; padding: .5rem; margin: .5rem 0; max-height: 30rem; overflow-y: auto }
pre:empty { display: none }`

/** Runs in the browser. Writes text only, never markup. */
const script = `
const make = (name, text = '', into) => {
  const element = document.createElement(name)
  element.textContent = text
  into?.append(element)
  return element
}
const field = (into, label, note = '', name = 'input') => {
  const around = make('label', label + ' ', into)
  if (note) make('small', note, around)
  return make(name, '', around)
}
const sample = (schema = {}) => {
  if (schema.examples) return schema.examples[0]
  if (schema.default !== undefined) return schema.default
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
const place = (tag) => {
  const id = 'tag-' + tag
  let section = document.getElementById(id)
  if (section === null) {
    section = make('section', '', document.querySelector('#calls'))
    section.id = id
    make('h2', tag, section)
  }
  return section
}
const bodyOf = (box, content = {}) => {
  if (content['multipart/form-data']) {
    const file = Object.assign(field(box, 'file'), { type: 'file' })
    return () => {
      const form = new FormData()
      if (file.files[0]) form.append('file', file.files[0])
      return { body: form }
    }
  }
  const json = content['application/json']
  if (json === undefined) return () => ({})
  const text = field(box, 'body', '', 'textarea')
  Object.assign(text, { value: JSON.stringify(sample(json.schema), null, 2), rows: 6 })
  return () => ({ body: text.value, type: 'application/json' })
}
const read = async (response) => {
  const type = response.headers.get('content-type') ?? ''
  if (!/json|text/.test(type)) return (await response.blob()).size + ' bytes of ' + type
  const text = await response.text()
  return type.includes('json') ? JSON.stringify(JSON.parse(text), null, 2) : text
}
function show(method, path, call) {
  const box = make('details', '', place(call.tags?.[0] ?? 'calls'))
  const head = make('summary', '', box)
  make('b', method.toUpperCase(), head)
  make('code', path, head)
  make('small', call.summary ?? '', head)
  const form = make('form', '', box)
  const inputs = (call.parameters ?? []).map((each) => {
    const note = [each.required ? '' : 'optional', each.description ?? each.schema.description ?? '']
    const input = field(form, each.name, note.filter(Boolean).join('; '))
    if (each.required) input.value = sample(each.schema)
    return [each, input]
  })
  const body = bodyOf(form, call.requestBody?.content)
  make('button', 'Send', form)
  const output = make('pre', '', box)
  const described = make('details', '', box)
  make('summary', 'What it takes and answers', described)
  const { parameters, requestBody, responses } = call
  make('pre', JSON.stringify({ parameters, requestBody, responses }, null, 1), described)
  form.onsubmit = async (event) => {
    event.preventDefault()
    let url = path
    const query = new URLSearchParams()
    const headers = {}
    for (const [{ name, in: where }, { value }] of inputs) {
      if (where === 'path') url = url.replace('{' + name + '}', encodeURIComponent(value))
      else if (value !== '' && where === 'header') headers[name] = value
      else if (value !== '') query.set(name, value)
    }
    if (query.size > 0) url += '?' + query
    const { body: sent, type } = body()
    if (type) headers['content-type'] = type
    const key = document.querySelector('#key').value.trim()
    if (key !== '') headers.authorization = 'Bearer ' + key
    output.textContent = '…'
    try {
      const response = await fetch(url, { method: method.toUpperCase(), headers, body: sent })
      const id = response.headers.get('x-request-id') ?? ''
      output.textContent = response.status + ', request ' + id + '\\n' + (await read(response))
    } catch (error) {
      output.textContent = String(error)
    }
  }
}
document.querySelector('#key').form.onsubmit = (event) => event.preventDefault()
const { info, paths } = await (await fetch('/openapi.json')).json()
document.querySelector('#about').textContent = info.description.replaceAll('\`', '')
for (const [path, methods] of Object.entries(paths))
  for (const [method, call] of Object.entries(methods)) show(method, path, call)
`

/** HTML. The icon is empty, so that no browser asks for one. */
export const docsPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>CoffeeChat API</title>
<style>${style}</style>
<h1>CoffeeChat API</h1>
<p id="about"></p>
<p>Described by <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1); the topics are at <a href="/docs/topics">/docs/topics</a>.</p>
<form><label>API key, or a user's token <input id="key" type="password" autocomplete="off"></label></form>
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
  'img-src data:',
  `script-src ${hashOf(script)}`,
  `style-src ${hashOf(style)}`,
].join('; ')
