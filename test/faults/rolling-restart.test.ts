/**
 * A rolling restart as an upgrade does it (spec 2, "Stopping and starting"): two gateways and two of every role, laid
 * out as compose.yaml does, each process ended by SIGTERM and started again, one after the other, while users write
 * to each other by the client library, by cim.py and by bare packets, and app servers call.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { allRoles } from '../../setup.js'
import { violations } from '../helpers/checker.js'
import { createCimLine, hasCim } from '../helpers/cim-member.js'
import { type ClientCrowd, createClients, type Told } from '../helpers/clients.js'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { deadLetters } from '../helpers/dead-letters.js'
import type { Line } from '../helpers/group-member.js'
import { randomNumbers } from '../helpers/random.js'
import { type Call, startRestCallers } from '../helpers/rest-callers.js'
import { readStored } from '../helpers/stored-rows.js'
import { type System, type SystemProcess, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'
import { type Watch, watch } from '../helpers/watch.js'

const outside = ['offline-push', 'robots', 's2c-push', 'webhooks']
const requests = allRoles
  .slice(allRoles.indexOf('login'))
  .filter((role) => ![...outside, 'presence'].includes(role))
const messages = allRoles.filter((role) => ![...outside, ...requests, 'gateway'].includes(role))
const workers = [messages, requests, outside]

const random = randomNumbers(1)
const recovery_ms = 60_000
/** What a client is promised. */
const away_ms = 35_000
const pace_ms = 100
const unacked_max = 8
const cimUsers = hasCim() ? [830_001, 830_002] : []
const [poster, postee] = [830_011, 830_012]

let system: System
let clients: ClientCrowd
let library: readonly Told[]
let cims: readonly Line[]
let correspondence: Correspondence

before(async () => {
  system = await startSystem({
    roles: [['gateway'], ...workers, ...workers],
    gateways: 2,
    env: {
      DRAIN_MS: '1000',
      DATABASE_POOL: '3',
      RATE_LIMIT_PACKETS: '1000',
      DELIVERY_CHECK_DELAYS_MS: '3000,6000,12000',
    },
  })
  clients = createClients(system)
  library = await Promise.all(
    (['ws', 'tcp', 'tcp', 'ws'] as const).map((over) => clients.newClient({ over })),
  )
  const tokens = await system.api.registerAll([...cimUsers, poster, postee])
  const ports = system.gateways.map(({ tcp }) => tcp)
  cims = cimUsers.map((user_id, at) => createCimLine({ user_id, token: tokens[at]!, ports }))
  await until('cim.py is online', () => cims.every((line) => line.isOnline()), recovery_ms)
  correspondence = await openCorrespondence(system, 4, random)
})
after(async () => {
  clients?.leave()
  await Promise.all((cims ?? []).map((line) => line.stop()))
  await correspondence?.stop()
  await system?.stop()
})

/**
 * Everyone writes to somebody until it is told to stop, and nobody has more than a few messages unacked: a slow machine
 * gets fewer. Resolves with what the library's clients sent.
 */
function talk() {
  const sent: Promise<unknown>[][] = library.map(() => [])
  const unacked = library.map(() => 0)
  let isOver = false
  const write = (at: number, turn: number): void => {
    const { client } = library[at]!
    unacked[at]!++
    const sending = client.send(library[at ^ 1]!.client.user_id, `${client.user_id}: ${turn}`)
    sent[at]!.push(sending.finally(() => unacked[at]!--))
  }
  const talking = (async () => {
    for (let turn = 0; !isOver; turn++) {
      for (const at of library.keys()) if (unacked[at]! < unacked_max) write(at, turn)
      for (const [at, line] of cims.entries())
        if (line.waiting() < unacked_max) line.send(cimUsers[at ^ 1]!, `${line.user_id}: ${turn}`)
      if (correspondence.waiting() < unacked_max * correspondence.writers.length) correspondence.write(1)
      await pause(pace_ms)
    }
  })()
  return {
    async stop(): Promise<readonly number[]> {
      isOver = true
      await talking
      await Promise.all(sent.flat())
      return sent.map(({ length }) => length)
    },
  }
}

/** Every client of the library was shown each message of its conversation, once, in the order of the numbers. */
async function libraryHasAll(sent: readonly number[]): Promise<void> {
  for (const [at, { client, messages: shown }] of library.entries()) {
    const peer = library[at ^ 1]!.client.user_id
    const numbers = () =>
      shown.filter(({ session_id }) => session_id === peer).map(({ server_msg_id }) => server_msg_id)
    const count = sent[at]! + sent[at ^ 1]!
    await until(
      () => `${client.user_id} has ${count} messages, there are ${numbers().length}`,
      () => numbers().length >= count,
      recovery_ms,
    )
    assert.deepEqual(
      numbers(),
      Array.from({ length: count }, (_, index) => index + 1),
    )
    const own = shown.filter(({ from_user_id }) => from_user_id === client.user_id)
    assert.deepEqual(
      own.map((each) => each.server_msg_id),
      own.map((each) => each.server_msg_id).toSorted((a, b) => a - b),
    )
  }
}

/** What cim.py saw and what is stored are the same. */
async function cimIsKept(): Promise<void> {
  await until('all of cim.py is acked', () => cims.every((line) => line.waiting() === 0), recovery_ms)
  const stored = await readStored(system.databaseUrl, cimUsers)
  const journals = cims.flatMap((line) => line.journals)
  assert.deepEqual(violations({ journals, stored, pulled: [] }).slice(0, 20), [])
}

const readyz = async (http: number): Promise<number> =>
  fetch(`http://127.0.0.1:${http}/readyz`).then(
    async (response) => {
      await response.arrayBuffer()
      return response.status
    },
    () => 0,
  )

/** Asks both gateways all the time whether they are ready, as a balancer does. */
function balance() {
  const ready = system.gateways.map(() => true)
  let isOver = false
  const asking = system.gateways.map(async ({ http }, at) => {
    for (; !isOver; await pause(pace_ms)) ready[at] = (await readyz(http)) === 200
  })
  return {
    isReady: (gateway: number) => ready[gateway]!,
    isAnyReady: () => ready.some((each) => each),
    stop: async () => {
      isOver = true
      await Promise.all(asking)
    },
  }
}

async function restart(each: SystemProcess, t: TestContext): Promise<void> {
  const begun = performance.now()
  const code = await each.kill('SIGTERM')
  assert.equal(code, 0, `${each.name} ended with ${code}`)
  const stopped = performance.now()
  await each.restart()
  const [stop_ms, start_ms] = [stopped - begun, performance.now() - stopped].map(Math.round)
  t.diagnostic(`${each.name.slice(0, 20)} …: ended in ${stop_ms} ms, ready in ${start_ms} ms`)
}

/** True where there are more acks than when it was asked last. */
function progressOf({ acked }: { acked(): number }): () => boolean {
  let seen = acked()
  return () => {
    const before = seen
    seen = acked()
    return seen > before
  }
}

/** Watches that everyone is online and has acks, and that some gateway is ready. */
function watchAll(balancer: ReturnType<typeof balance>): Watch {
  const { writers } = correspondence
  return watch(
    new Map<string, () => boolean>([
      ...library.map(
        ({ client }) =>
          [`online: library ${client.user_id}`, () => client.state().name === 'online'] as const,
      ),
      ...cims.map((line) => [`online: cim.py ${line.user_id}`, () => line.isOnline()] as const),
      ...writers.map((writer) => [`online: bare ${writer.user_id}`, () => writer.isOnline()] as const),
      ...writers.map((writer) => [`acked: bare ${writer.user_id}`, progressOf(writer)] as const),
      ['a gateway is ready', balancer.isAnyReady] as const,
    ]),
  )
}

/** Fails where one of them was otherwise for longer. */
function judge(watched: Watch, limit_ms: number, t: TestContext): void {
  watched.stop()
  const times = [...watched.longest()].map(([what, ms]) => [what, Math.round(ms)] as const)
  t.diagnostic(`otherwise for ms: ${JSON.stringify(Object.fromEntries(times))}`)
  const tooLong = times.filter(([, ms]) => ms > limit_ms)
  assert.deepEqual(tooLong, [])
}

const post = () => ({
  from_user_id: String(poster),
  to_user_id: String(postee),
  msg_id: randomUUID(),
  msg_type: 1,
  text: 'from an app server',
})
const nextCall = (): Call =>
  random(2) === 0
    ? { method: 'GET', path: `/v1/users/${poster}` }
    : { method: 'POST', path: '/v1/messages', body: post() }

test('the layout has two of every role', () => {
  assert.deepEqual([...workers.flat(), 'gateway'].toSorted(), [...allRoles].toSorted())
})

test('every role restarted in turn: nobody notices but by SERVER_BUSY and a new connection', async (t) => {
  const balancer = balance()
  const watched = watchAll(balancer)
  const callers = startRestCallers(system, 4, balancer.isReady, nextCall)
  const talking = talk()
  await correspondence.progress(8, recovery_ms)
  const [gateway, ...others] = [...system.processes.values()]
  const second = others.pop()!
  // The first of each kind of workers at once, then the second, as orchestrators do.
  const rounds = [[gateway!], others.slice(0, workers.length), others.slice(workers.length), [second]]
  for (const round of rounds) {
    await Promise.all(round.map((each) => restart(each, t)))
    await correspondence.progress(20, recovery_ms)
  }
  judge(watched, away_ms, t)
  const sent = await talking.stop()
  await callers.stop()
  await balancer.stop()
  t.diagnostic(`app servers: ${callers.report()}`)
  assert.deepEqual(callers.broken, [])
  assert.ok(callers.closings() > 0, 'no connection was closed by its answer')
  await libraryHasAll(sent)
  for (const { errors } of library) assert.deepEqual(errors, [])
  await cimIsKept()
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)
  await correspondence.judge()
  assert.deepEqual(await deadLetters(system), [])
})

test('kill -9 of one of two: the other has its partitions within 25 s', async (t) => {
  const balancer = balance()
  const watched = watchAll(balancer)
  const talking = talk()
  await correspondence.progress(8, recovery_ms)
  const victim = [...system.processes.values()].find(({ name }) => name === messages.join(','))!
  await victim.kill('SIGKILL')
  await correspondence.progress(40, recovery_ms)
  const acked = correspondence.writers.map((writer) => writer.acked())
  const everyoneGoesOn = () => correspondence.writers.every((writer, at) => writer.acked() > acked[at]! + 4)
  await until('everyone goes on', everyoneGoesOn, recovery_ms)
  judge(watched, 25_000, t)
  await talking.stop()
  await balancer.stop()
  await victim.restart()
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)
  await correspondence.judge()
})
