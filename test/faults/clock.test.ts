/** Our processes' clock is five minutes off that of Kafka, PostgreSQL and Redis: said once, clearly; nothing is lost. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { createCrowd } from '../helpers/crowd.js'
import { figuresOf, total } from '../helpers/figures.js'
import { ops } from '../helpers/ops.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const shifted = pathToFileURL(join(import.meta.dirname, '../helpers/shifted-clock.js')).href
const within_ms = 30_000

const complaints = (system: System): string[] =>
  system
    .logs()
    .split('\n')
    .filter((line) => line.includes('the clock of this machine'))

for (const [shift_ms, how] of [
  [-300_000, 'behind'],
  [300_000, 'ahead of'],
] as const)
  test(`five minutes ${how} the others: chat goes on, and the log and the doctor say what is wrong`, async () => {
    const env = { TEST_CLOCK_SHIFT_MS: String(shift_ms), NODE_OPTIONS: `--import=${shifted}` }
    const system = await startSystem({ env: { ...env, METRICS_PORT: '0' } })
    const crowd = createCrowd(system)
    try {
      const { ada, bo, adas, bos } = await crowd.pair()
      const ids: string[] = []
      for (let turn = 0; turn < 5; turn++) ids.push(adas.send(bo.user_id, `hello ${turn}`))
      for (const [at, id] of ids.entries()) {
        assert.equal((await adas.acked(id)).server_msg_id, at + 1)
        const received = await bos.received(id)
        assert.equal(received.server_msg_id, at + 1)
        bos.ack(received)
      }
      assert.equal(await bos.say(ada.user_id, 'and back'), 6)

      const [line] = await until(
        'a complaint',
        () => complaints(system).length > 0 && complaints(system),
        within_ms,
      )
      assert.match(line!, new RegExp(`"level":"error".* is (299|300)\\d\\d\\d ms ${how} that of Redis`))
      assert.match(line!, /NTP/)
      assert.equal(complaints(system).length, 1)
      const [process] = [...system.processes.values()]
      const ahead = total(await figuresOf(process!), 'clock_ahead_ms')
      assert.ok(Math.abs(ahead - shift_ms) < 1_000, String(ahead))

      const { code, said } = await ops(system, 'doctor', env)
      assert.equal(code, 1)
      for (const whose of ['the database', 'Redis', 'the brokers'])
        assert.match(said, new RegExp(`WRONG +clock +the clock of ${whose} is (299|300)\\d\\d\\d ms`), said)
    } finally {
      crowd.leave()
      await system.stop()
    }
  })
