/** `npm run picture`, `env-example`, `client-protocol`, `metrics-table`, `dashboards`: writes what tests compare. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { envExample } from '../../schemas/settings-text.js'
import { read, root } from './checkout.js'

const texts: Record<string, () => Promise<string>> = {
  'ARCHITECTURE.md': async () => (await import('./picture.js')).withPicture(read('ARCHITECTURE.md')),
  '.env.example': async () => envExample(),
  'infra/helm/coffeechat/values.schema.json': async () =>
    (await import('./chart-schema.js')).withSettingNames(read('infra/helm/coffeechat/values.schema.json')),
  'docs/operate/configure.md': async () =>
    (await import('./settings-page.js')).withSettingTables(read('docs/operate/configure.md')),
  'client/gen/protocol.ts': async () => (await import('./client-protocol.js')).clientProtocol(),
  'docs/operate/metrics.md': async () =>
    (await import('./metrics-page.js')).withMetricsTable(read('docs/operate/metrics.md')),
}

/** A folder of dashboards by its name; else that one file. */
async function textsOf(path: string): Promise<Record<string, string>> {
  const text = texts[path]
  if (text !== undefined) return { [path]: await text() }
  if (path === 'infra/grafana/dashboards') return (await import('./dashboard-files.js')).dashboardFiles()
  throw new Error(
    `${path} is not generated; ${Object.keys(texts).join(', ')} and infra/grafana/dashboards are`,
  )
}

for (const path of process.argv.slice(2))
  for (const [file, text] of Object.entries(await textsOf(path))) writeFileSync(join(root, file), text)
