/** HAProxy with the file that compose.yaml gives it, before two gateways: all of it but ports and names as written. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { allRoles } from '../../setup.js'
import { read } from '../architecture/checkout.js'
import { type Api, createApi } from '../helpers/api.js'
import { connectDevice, connectWsDevice, type Device } from '../helpers/device.js'
import { figuresOf, total } from '../helpers/figures.js'
import { freePort } from '../helpers/port.js'
import { type Program, run } from '../helpers/program.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const haproxy = ['haproxy', '/usr/sbin/haproxy'].find((each) => spawnSync(each, ['-v']).status === 0)
const skip = haproxy === undefined && 'haproxy is not here (apt-get install haproxy)'

/** Connections a second from one address; the burst is four times that. */
const rate = 5
const burst = 4 * rate

const folder = mkdtempSync(join(tmpdir(), 'coffeechat-balancer-'))
const devices: Device[] = []
let system: System
let balancer: Program
let tcp: number
let http: number
let api: Api

/** The file of compose.yaml with the addresses of these gateways, and free ports of this machine. */
async function settingsFor({ gateways }: System): Promise<string> {
  const health = await freePort()
  tcp = await freePort()
  http = await freePort()
  let text = read('infra/compose/haproxy.cfg')
    .replace('maxconn 100000', 'maxconn 1000') // of which compose.yaml sees to the descriptors
    .replace('bind :8000', `bind 127.0.0.1:${tcp}`)
    .replace('bind :8080', `bind 127.0.0.1:${http}`)
    .replace('bind :8404', `bind 127.0.0.1:${health}`)
  for (const [index, gateway] of gateways.entries())
    text = text
      .replace(
        `gateway-${index + 1}:8000 send-proxy-v2 check port 8080`,
        `127.0.0.1:${gateway.tcp} send-proxy-v2 check port ${gateway.http}`,
      )
      .replace(`gateway-${index + 1}:8080 check`, `127.0.0.1:${gateway.http} check`)
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, text)
  return file
}

before(async () => {
  if (haproxy === undefined) return
  system = await startSystem({
    roles: [['gateway'], allRoles.filter((role) => role !== 'gateway')],
    gateways: 2,
    env: { METRICS_PORT: '0', TRUSTED_PROXIES: '127.0.0.1', RATE_LIMIT_CONNECTIONS: String(rate) },
  })
  const file = await settingsFor(system)
  api = createApi(http, system.apiKey)
  balancer = run([haproxy, '-db', '-f', file])
  await conditionHolds('the balancer serves', async () => {
    const answer = await fetch(`http://127.0.0.1:${http}/readyz`).catch(() => undefined)
    return answer?.status === 200
  })
})
after(async () => {
  for (const device of devices) device.cut()
  await balancer?.end()
  await system?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** The device once it is logged in. */
async function loggedIn(connecting: Promise<Device>, user_id: number): Promise<Device> {
  const device = await connecting
  devices.push(device)
  const { result_code } = await device.login(user_id, await api.register(user_id))
  assert.equal(result_code, 0)
  return device
}

test('a message goes through the balancer, from TCP to WebSocket', { skip }, async () => {
  const ada = await loggedIn(connectDevice(tcp), 1)
  const bo = await loggedIn(connectWsDevice(http), 2)
  const msg_id = ada.send(2, 'through the balancer')
  await ada.acked(msg_id)
  assert.equal(Buffer.from((await bo.received(msg_id)).msg_data).toString(), 'through the balancer')
})

test('the gateways know each client by its own address: a flood from one closes nobody else out', {
  skip,
}, async () => {
  const flood = await Promise.all(Array.from({ length: 4 * burst }, () => connectDevice(tcp, '127.0.0.9')))
  devices.push(...flood)
  await conditionHolds('some of the flood are closed', () => flood.some((each) => each.isClosed()))
  for (const user_id of [11, 12, 13, 14]) await loggedIn(connectDevice(tcp, '127.0.0.10'), user_id)
  for (const each of flood) each.cut()
})

test('a gateway that stops tells its clients, who find the other one at the same address', {
  skip,
}, async () => {
  const gateways = system.gateways.map((gateway) => gateway.process)
  const [stopping, staying] = gateways
  for (const device of devices) device.cut()
  await conditionHolds('both gateways have as many clients: none', async () => {
    const figures = await Promise.all(gateways.map(figuresOf))
    return figures.every((each) => total(each, 'connections') === 0)
  })
  const clients: Device[] = []
  for (const user_id of [21, 22, 23, 24, 25, 26])
    clients.push(await loggedIn(connectDevice(tcp, '127.0.0.11'), user_id))
  await stopping!.kill('SIGTERM')
  await conditionHolds('some are closed', () => clients.some((each) => each.isClosed()))
  const sentAway = clients.filter((each) => each.isClosed())
  assert.ok(sentAway.length < clients.length)
  for (const each of sentAway) assert.ok(each.inbox.some(({ name }) => name === 'RECONNECT_NOTIFY'))
  for (const user_id of [31, 32, 33, 34]) await loggedIn(connectDevice(tcp, '127.0.0.12'), user_id)

  await stopping!.restart()
  await staying!.kill('SIGTERM')
  const login = () =>
    loggedIn(connectDevice(tcp, '127.0.0.13'), 41).then(
      () => true,
      () => false,
    )
  await conditionHolds('the one that is back gets new clients', login)
  await staying!.restart()
})
