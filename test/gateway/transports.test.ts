import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import type { Certificate } from '../../gateway/ports.js'
import { topics } from '../../schemas/topics.js'
import { selfSigned } from '../helpers/certificate.js'
import { clientOn, connect } from '../helpers/client.js'
import { startTestGate, type TestGate } from '../helpers/gate.js'

const connectSecurely = async (port: number) => {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  return { client: clientOn(socket), name: socket.getPeerCertificate().subject.CN }
}

const lastAddress = async (gate: TestGate, count: number) =>
  (await gate.events(topics.requestLogin, count)).at(-1)!.remote_address

test('a TLS client logs in; a new certificate serves the next connections and leaves the others alone', async () => {
  let pair = selfSigned('first')
  let announce = (): void => {}
  const certificate: Certificate = {
    current: () => pair,
    onChange: (listener) => {
      const before = announce
      announce = () => {
        before()
        listener()
      }
    },
  }
  const gate = await startTestGate({ TLS_PORT: '0' }, { certificate })
  const first = await connectSecurely(gate.gateway.ports.tls!)
  assert.equal(await first.client.login(1001), 0)
  pair = selfSigned('second')
  announce()
  const second = await connectSecurely(gate.gateway.ports.tls!)
  assert.equal(await second.client.login(1002), 0)
  assert.deepEqual([first.name, second.name], ['first', 'second'])
  first.client.send('HEARTBEAT', 2, {})
  await first.client.next('HEARTBEAT')
  first.client.end()
  second.client.end()
  await gate.stop()
})

test('a handshake that does not come to an end is a login that does not come', async () => {
  const pair = selfSigned('slow')
  const certificate: Certificate = { current: () => pair, onChange() {} }
  const gate = await startTestGate({ TLS_PORT: '0', AUTH_TIMEOUT_MS: '200' }, { certificate })
  const client = await connect(gate.gateway.ports.tls!)
  await client.closed()
  await gate.stop()
})

test('behind a trusted proxy the client is who the PROXY header names, cut anywhere', async () => {
  const gate = await startTestGate({ TRUSTED_PROXIES: '127.0.0.1' })
  const client = await connect(gate.tcp)
  for (const byte of Buffer.from('PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n')) {
    client.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(await client.login(1001), 0)
  assert.equal(await lastAddress(gate, 1), '192.0.2.7')
  const direct = await connect(gate.tcp)
  assert.equal(await direct.login(1002), 0)
  assert.equal(await lastAddress(gate, 2), '127.0.0.1')
  client.end()
  direct.end()
  await gate.stop()
})

test('from anybody else a PROXY header is just a wrong packet', async () => {
  const gate = await startTestGate()
  const client = await connect(gate.tcp)
  client.write(Buffer.from('PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n'))
  await client.closed()
  await gate.stop()
})

test('a WebSocket anywhere else than /ws is not found', async () => {
  const gate = await startTestGate()
  const response = await fetch(`http://127.0.0.1:${gate.http}/healthz`)
  assert.equal(response.status, 200)
  const { WebSocket } = await import('ws')
  const socket = new WebSocket(`ws://127.0.0.1:${gate.http}/elsewhere`)
  const error = await new Promise<Error>((resolve) => socket.once('error', resolve))
  assert.match(error.message, /404/)
  await gate.stop()
})
