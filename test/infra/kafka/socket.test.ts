import assert from 'node:assert/strict'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { createSockets } from '../../../infra/kafka/socket.js'
import { broker, collect, makeTopic, openBus, record, until } from './bus-fixture.js'

/** TLS in front of the real broker, with a shared key in place of certificates. */
async function startTlsProxy(t: TestContext) {
  const psk = Buffer.alloc(32, 7)
  const common = { ciphers: 'PSK', maxVersion: 'TLSv1.2' as const }
  const [host, port] = broker().split(':')
  const server = tls.createServer({ ...common, pskCallback: () => psk }, (client) => {
    const upstream = net.connect({ host: host!, port: Number(port) })
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream])
      socket.on('error', () => {
        client.destroy()
        upstream.destroy()
      })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return {
    port: (server.address() as net.AddressInfo).port,
    options: {
      ...common,
      pskCallback: () => ({ psk, identity: 'test' }),
      checkServerIdentity: () => undefined,
    } as tls.ConnectionOptions,
  }
}

test('records go both ways over TLS, without Nagle delay', async (t) => {
  const { port, options } = await startTlsProxy(t)
  const noDelay = new Set<net.Socket>()
  let opened = 0
  const connect = () => {
    const socket = net.connect({ host: '127.0.0.1', port })
    opened += 1
    const setNoDelay = socket.setNoDelay.bind(socket)
    socket.setNoDelay = (on) => {
      if (on) noDelay.add(socket)
      return setNoDelay(on)
    }
    return socket
  }
  const bus = await openBus(t, { tls: options, connect })
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('tls')
  await producer.publish([record(topic, 'k', 'over tls')])
  const { values } = await collect(bus, topic)
  await until('it comes', () => values().length === 1)
  assert.ok(opened > 0 && noDelay.size === opened)
})

test('sockets that were destroyed open no more and write no more', async (t) => {
  let received = 0
  const server = net.createServer((socket) => socket.on('data', (chunk) => (received += chunk.length)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as net.AddressInfo
  const sockets = createSockets()
  const target = { host: '127.0.0.1', port, ssl: undefined as unknown as tls.ConnectionOptions }
  const socket = await new Promise<net.Socket>((resolve) => {
    const opening = sockets.open({ ...target, onConnect: () => resolve(opening) })
  })
  const failed = new Promise((resolve) => socket.once('error', resolve))
  sockets.destroy()
  socket.write('late')
  assert.ok((await failed) instanceof Error)
  assert.throws(() => sockets.open({ ...target, onConnect: () => undefined }))
  assert.equal(received, 0)
})

test('a dead connection that is let go of again and again waits for nothing', async () => {
  const closed = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => closed.once('listening', resolve))
  const { port } = closed.address() as net.AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  const sockets = createSockets()
  const socket = sockets.open({ host: '127.0.0.1', port, onConnect: () => undefined } as never)
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('close', resolve))
  const before = socket.listenerCount('connect')
  for (let turn = 0; turn < 20; turn++) socket.unref()
  assert.ok(socket.listenerCount('connect') <= before + 1)
  sockets.destroy()
})
