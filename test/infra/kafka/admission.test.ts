/** Who answers instead of a broker that can be used, and what is said then. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { createBus } from '../../../infra/kafka/bus.js'
import { settingsOf } from './bus-fixture.js'

/** Listens, and answers whatever comes with these bytes. */
async function answering(t: TestContext, answer: Buffer): Promise<string> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', () => socket.write(answer))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`
}

/** An answer to ApiVersions: of each request the versions that are taken. */
function versions(ranges: readonly (readonly [key: number, first: number, last: number])[]): Buffer {
  const bytes = Buffer.alloc(14 + 6 * ranges.length)
  bytes.writeInt32BE(bytes.length - 4, 0)
  bytes.writeInt32BE(1, 4)
  bytes.writeInt32BE(ranges.length, 10)
  for (const [at, range] of ranges.entries())
    for (const [part, number] of range.entries()) bytes.writeInt16BE(number, 14 + 6 * at + 2 * part)
  return bytes
}

/** What Kafka 1.0 took of what we use. */
const oldBroker = versions([
  [0, 0, 5],
  [1, 0, 6],
  [2, 0, 2],
  [3, 0, 5],
  [8, 0, 3],
  [9, 0, 3],
  [10, 0, 1],
  [11, 0, 2],
  [12, 0, 1],
  [13, 0, 1],
  [14, 0, 1],
  [15, 0, 1],
  [17, 0, 1],
  [18, 0, 1],
  [19, 0, 2],
  [20, 0, 1],
  [22, 0, 0],
])

const rows: readonly [title: string, answer: Buffer, says: RegExp][] = [
  [
    'a broker that is too old',
    oldBroker,
    /version cannot be used \(produce: broker 0–5, client 7–7; fetch: .*\): Kafka 2\.3 or newer is needed/,
  ],
  [
    'a web server',
    Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
    /what answers there is no Kafka broker: is KAFKA_BROKERS right\?/,
  ],
  ['a listener with TLS', Buffer.from('15030300020228', 'hex'), /it speaks TLS: set KAFKA_TLS=true/],
]

for (const [title, answer, says] of rows)
  test(`refused at once: ${title}`, async (t) => {
    const broker = await answering(t, answer)
    await assert.rejects(createBus(settingsOf({ brokers: [broker] })), ({ name, message }: Error) => {
      assert.equal(name, 'BusRefused')
      assert.match(message, says)
      assert.ok(message.includes(broker))
      return true
    })
  })

test('refused at once: a listener that speaks only versions of TLS that are too old, whatever our certificate', async (t) => {
  const protocolVersion = Buffer.from('15030100020246', 'hex')
  const broker = await answering(t, protocolVersion)
  await assert.rejects(createBus(settingsOf({ brokers: [broker], tls: {} })), ({ name, message }: Error) => {
    assert.equal(name, 'BusRefused')
    assert.match(message, /it speaks no version of TLS that we do: let the broker speak TLS 1\.2 or 1\.3/)
    return true
  })
})
