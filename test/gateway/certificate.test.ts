/** The files of a gate's certificate are renewed while it serves: over TLS, HTTPS and WSS, with real handshakes. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { createCertificate, measureCertificates } from '../../infra/certificate.js'
import { createMetrics } from '../../infra/metrics/metrics.js'
import { createAuthority, type KeyPair } from '../helpers/certificate.js'
import { clientOn } from '../helpers/client.js'
import { startTestGate, type TestGate } from '../helpers/gate.js'
import { conditionHolds } from '../helpers/wait.js'

const look_ms = 20
const authority = createAuthority('authority of the tests')
const issue = (name: string, valid?: readonly [number, number]): KeyPair =>
  authority.issue(name, ['127.0.0.1'], valid)

/** As Kubernetes has a Secret in a volume: the files are links into a folder that is a link itself. */
const folder = mkdtempSync(join(tmpdir(), 'coffeechat-certificate-'))
const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
let versions = 0
function swap({ cert, key }: KeyPair): void {
  const version = `..version-${++versions}`
  mkdirSync(join(folder, version))
  writeFileSync(join(folder, version, 'tls.crt'), cert)
  writeFileSync(join(folder, version, 'tls.key'), key)
  symlinkSync(version, join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
}
swap(issue('first'))
for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(folder, name))

type Line = { readonly level: string; readonly text: string; readonly reason: string }
const lines: Line[] = []
const note =
  (level: string) =>
  (fields: object, text = '') =>
    void lines.push({ reason: '', ...fields, level, text })
const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }

const certificate = createCertificate(files.cert, files.key, log, look_ms)
let gate: TestGate
before(async () => {
  gate = await startTestGate({ TLS_PORT: '0' }, { certificate })
})
afterEach(() => lines.splice(0))
after(async () => {
  await gate.stop()
  certificate.stop()
  rmSync(folder, { recursive: true, force: true })
})

const ca = authority.cert
async function handshake(port: number): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', ca })
  await new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  return socket
}
const nameOf = (socket: TLSSocket): string => String(socket.getPeerCertificate().subject.CN)

/** What a new connection is shown, over each way that there is. */
async function shown(): Promise<string[]> {
  const sockets = [await handshake(gate.gateway.ports.tls!), await handshake(gate.http)]
  const names = sockets.map(nameOf)
  for (const socket of sockets) socket.destroy()
  const ws = new WebSocket(`wss://127.0.0.1:${gate.http}/ws`, { ca })
  const upgraded = await new Promise<TLSSocket>((resolve, reject) => {
    ws.once('upgrade', (response) => resolve(response.socket as TLSSocket))
    ws.once('error', reject)
  })
  names.push(nameOf(upgraded))
  ws.terminate()
  return names
}

const isTold = (text: RegExp) => () => lines.some((line) => text.test(line.text))
const three = (name: string): string[] => [name, name, name]

test('a renewed pair serves the next connections, over TLS, HTTPS and WSS; one that stands goes on', async () => {
  const socket = await handshake(gate.gateway.ports.tls!)
  const client = clientOn(socket)
  assert.equal(await client.login(1001), 0)
  assert.deepEqual(await shown(), three('first'))
  swap(issue('second'))
  await conditionHolds('the new one is taken', isTold(/renewed certificate is used/))
  assert.deepEqual(await shown(), three('second'))
  client.send('HEARTBEAT', 2, {})
  await client.next('HEARTBEAT')
  client.end()
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['info'],
  )
})

const [fitting, other] = [issue('fitting'), issue('other')]
const refused: readonly [title: string, pair: KeyPair, says: RegExp][] = [
  [
    'a certificate without its key',
    { cert: fitting.cert, key: other.key },
    /TLS_KEY=\S+ is not the key of TLS_CERT/,
  ],
  ['a certificate that is over', issue('old', [-2, -1]), /TLS_CERT=\S+ expired on .*put a new one/],
  ['a certificate of tomorrow', issue('early', [1, 2]), /valid from .* only/],
  ['half a file', { cert: fitting.cert.subarray(0, 200), key: fitting.key }, /no certificate in PEM/],
  ['an empty key', { cert: fitting.cert, key: Buffer.alloc(0) }, /no private key in PEM/],
]
for (const [title, pair, says] of refused)
  test(`${title} is told once, and the former pair stays`, async () => {
    const [former] = await shown()
    swap(pair)
    await conditionHolds('it is told', isTold(/cannot be used; the former one stays/))
    assert.match(lines[0]!.reason, says)
    assert.deepEqual(await shown(), three(former!))
    const next = `after ${title}`
    swap(issue(next))
    await conditionHolds('the next is taken', isTold(/renewed certificate is used/))
    assert.deepEqual(await shown(), three(next))
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['error', 'info'],
    )
  })

test('files that are gone are told once, and are taken when they are back', async () => {
  const [former] = await shown()
  rmSync(join(folder, '..data'))
  await conditionHolds('it is told', isTold(/cannot be used/))
  assert.deepEqual(await shown(), three(former!))
  swap(issue('back'))
  await conditionHolds('it is taken', isTold(/renewed certificate is used/))
  assert.deepEqual(await shown(), three('back'))
})

test('a figure tells how long the pair in use is valid, and those that engines are shown', async () => {
  const { cert } = issue('coffeechat', [-1, 1])
  const file = join(folder, 'kafka.pem')
  writeFileSync(file, cert)
  const metrics = createMetrics()
  measureCertificates(certificate, { KAFKA_TLS_CERT: file, REDIS_TLS_CERT: undefined }, metrics)
  const days = async () => {
    const figures = /^coffeechat_certificate_expires_in_seconds\{setting="(.*)"\} (\d+)$/gm
    const text = await metrics.exposition()
    return [...text.matchAll(figures)].map(
      ([, setting, seconds]) => `${setting}: ${Math.round(Number(seconds) / 86_400)}`,
    )
  }
  assert.deepEqual(await days(), ['KAFKA_TLS_CERT: 1', 'TLS_CERT: 1'])
  swap(issue('for long', [-1, 30]))
  await conditionHolds('it is taken', isTold(/renewed certificate is used/))
  assert.deepEqual(await days(), ['KAFKA_TLS_CERT: 1', 'TLS_CERT: 30'])
})
