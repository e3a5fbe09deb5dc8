/** The data folder of a PostgreSQL that was stopped, copied elsewhere, is the same database (docs/operate/backup.md). */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { partPort } from '../../../infra/local/ports.js'
import { postgres } from '../../../infra/local/postgres.js'
import { migrate } from '../../../infra/postgres/migrate.js'
import { root } from '../../architecture/checkout.js'
import { silentLog } from '../../helpers/log.js'
import { rowsOf } from '../../helpers/rows.js'
import { readContents } from '../../helpers/table-copies.js'

const keys = { folderId: 'cold-copy', postgresPassword: 'word' }

/** Runs a server on the data folder while `work` does, and stops it as an operator would. */
async function serving<Result>(dataDir: string, work: (url: string) => Promise<Result>) {
  const { program, url, elsewhere } = await postgres(
    root,
    dataDir,
    keys,
    await partPort(undefined, new Set()),
  )
  const child = await program.launch()
  const over = once(child, 'exit')
  try {
    await program.ready(child, new AbortController().signal)
    return await work(url)
  } finally {
    child.kill(program.stopSignal)
    await over
    // only programs: the folders of this test are open to the user that the server runs as
    if (elsewhere !== undefined) rmSync(elsewhere, { recursive: true })
  }
}

test('a copy of the stopped data folder has every row, and goes on from there', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'coffeechat-cold-'))
  t.after(() => rmSync(home, { recursive: true }))
  chmodSync(home, 0o755)
  const [one, other] = [join(home, 'one'), join(home, 'other')]
  for (const each of [one, other]) mkdirSync(each)
  const before = await serving(one, async (url) => {
    await migrate(url, silentLog)
    await rowsOf(
      url,
      `INSERT INTO im_user (user_id, nick_name, created, updated)
        SELECT n, 'user ' || n, 0, 0 FROM generate_series(1, 500) n`,
    )
    return readContents(url)
  })
  execFileSync('cp', ['-a', join(one, 'postgres'), join(other, 'postgres')])
  const after = await serving(other, async (url) => {
    assert.deepEqual(await migrate(url, silentLog), [])
    const contents = await readContents(url)
    await rowsOf(url, "INSERT INTO im_user (user_id, nick_name, created, updated) VALUES (501, 'new', 0, 0)")
    return contents
  })
  assert.deepEqual(after, before)
})
