import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig, settings } from '../../schemas/config.js'
import { envExample } from '../../schemas/settings-text.js'
import { withSettingNames } from './chart-schema.js'
import { read } from './checkout.js'
import { withSettingTables } from './settings-page.js'

test('.env.example lists every setting with its default', () => {
  assert.equal(read('.env.example'), envExample(), 'npm run env-example writes it')
})

test('the schema of the chart’s values knows every setting that is no secret', () => {
  const schema = read('infra/helm/coffeechat/values.schema.json')
  assert.equal(schema, withSettingNames(schema), 'npm run env-example writes it')
})

test('every line of .env.example can be uncommented', () => {
  const lines = read('.env.example').matchAll(/^# ([A-Z][A-Z0-9_]+)=(.*)$/gm)
  const env = Object.fromEntries([...lines].map(([, name, value]) => [name, value]))
  assert.deepEqual(Object.keys(env).sort(), Object.keys(settings).sort())
  assert.deepEqual(readConfig(env), readConfig({}))
})

test('docs/operate/configure.md has every setting once, as the code says', () => {
  const page = read('docs/operate/configure.md')
  assert.equal(page, withSettingTables(page), 'npm run env-example writes it')
  const listed = page.slice(page.indexOf('## All settings')).matchAll(/^\| `([A-Z][A-Z0-9_]+)` \| /gm)
  assert.deepEqual([...listed].map(([, name]) => name).sort(), Object.keys(settings).sort())
})
