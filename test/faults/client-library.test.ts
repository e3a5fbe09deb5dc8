/** The client library while gateways come and go: what is sent is stored once, and shown once and in order. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { allRoles } from '../../setup.js'
import { type ClientCrowd, createClients, type Told } from '../helpers/clients.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const recovery_ms = 60_000
/** Between two messages of one writer. */
const pace_ms = 50

let system: System
let clients: ClientCrowd
before(async () => {
  const workers = allRoles.filter((role) => role !== 'gateway')
  system = await startSystem({ roles: [['gateway'], workers], gateways: 2, env: { DRAIN_MS: '500' } })
  clients = createClients(system)
})
after(async () => {
  clients?.leave()
  await system?.stop()
})

/** Writes to the other until it is told to stop; every send resolves at last. */
function correspond(from: Told, to: Told) {
  const sent: Promise<unknown>[] = []
  let isOver = false
  const writing = (async () => {
    for (let number = 1; !isOver; number++) {
      sent.push(from.client.send(to.client.user_id, `${from.client.user_id}:${number}`))
      await pause(pace_ms)
    }
  })()
  return {
    async stop(): Promise<number> {
      isOver = true
      await writing
      await Promise.all(sent)
      return sent.length
    },
  }
}

/** Both end with every message, once and in the order of its number. */
async function bothHaveAll(ada: Told, bo: Told, count: number): Promise<void> {
  for (const [told, peer] of [
    [ada, bo],
    [bo, ada],
  ] as const) {
    const numbers = () =>
      told.messages
        .filter(({ session_id }) => session_id === peer.client.user_id)
        .map(({ server_msg_id }) => server_msg_id)
    await until(
      () => `${count} messages, there are ${numbers().length}`,
      () => numbers().length >= count,
      recovery_ms,
    )
    assert.deepEqual(
      numbers(),
      Array.from({ length: count }, (_, at) => at + 1),
    )
  }
}

/** What is done to the gateways while two clients write to each other. */
const troubles: Record<string, () => Promise<void>> = {
  'a gateway restarts, and then the other': async () => {
    for (const { process } of system.gateways) {
      assert.equal(await process.kill('SIGTERM'), 0)
      await process.restart()
    }
  },
  'a gateway is killed, and then the other': async () => {
    for (const { process } of system.gateways) {
      await process.kill('SIGKILL')
      await process.restart()
    }
  },
  'both gateways are killed at once': async () => {
    await Promise.all(system.gateways.map(({ process }) => process.kill('SIGKILL')))
    await Promise.all(system.gateways.map(({ process }) => process.restart()))
  },
}

for (const [title, happens] of Object.entries(troubles))
  test(`${title}: nothing is lost, doubled or out of order`, async () => {
    const [ada, bo] = [await clients.newClient({ over: 'ws' }), await clients.newClient({ over: 'tcp' })]
    const writers = [correspond(ada, bo), correspond(bo, ada)]
    await bo.shows(`${ada.client.user_id}:5`)
    await happens()
    for (const told of [ada, bo])
      await until('online', () => told.client.state().name === 'online', recovery_ms)
    const [first = 0, second = 0] = await Promise.all(writers.map((writer) => writer.stop()))
    await bothHaveAll(ada, bo, first + second)
    assert.ok(ada.states.includes('waiting') && bo.states.includes('waiting'), 'both were cut')
    for (const told of [ada, bo]) assert.deepEqual(told.errors, [])
  })
