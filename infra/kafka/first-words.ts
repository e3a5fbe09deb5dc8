/**
 * The first requests on a connection, written by hand: kafkajs retries whatever goes wrong there, and says in the end
 * that the connection was closed. Whether to wait for a broker or to change a setting has to be told apart.
 */
import type net from 'node:net'
import { BusRefused, BusUnavailable } from '../../schemas/bus.js'
import type { BusSettings } from './client.js'
import { within } from './patience.js'
import { createSockets } from './socket.js'

const maxAnswerBytes = 64 * 1024
const tlsAlert = 0x15

/** One request; resolves with what follows the correlation id in its answer. */
export type Ask = (apiKey: number, version: number, body?: Buffer) => Promise<Buffer>

/** A string as the protocol writes it. */
export function shortText(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(2)
  length.writeInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function requestOf(clientId: string, apiKey: number, version: number, body: Buffer): Buffer {
  const head = Buffer.alloc(12)
  const name = shortText(clientId)
  head.writeInt32BE(8 + name.length + body.length, 0)
  head.writeInt16BE(apiKey, 4)
  head.writeInt16BE(version, 6)
  head.writeInt32BE(1, 8)
  return Buffer.concat([head, name, body])
}

/** What no broker answers. */
function strange(received: Buffer): Error {
  if (received[0] === tlsAlert && received[1] === 3)
    return new BusRefused('it speaks TLS', 'set KAFKA_TLS=true, or name a listener without TLS')
  return new BusRefused('what answers there is no Kafka broker', 'is KAFKA_BROKERS right?')
}

/** Answers of a socket one by one; `failed` rejects when there will be no more. */
function listenTo(socket: net.Socket) {
  let received: Buffer = Buffer.alloc(0)
  let take: (answer: Buffer) => void = () => undefined
  const failed = new Promise<never>((_, reject) => {
    // Not once: being destroyed makes it emit another one.
    socket.on('error', reject)
    socket.once('end', () => reject(new Error('the broker closed the connection')))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 4) return
      const end = received.readInt32BE(0) + 4
      if (end < 10 || end > maxAnswerBytes) reject(strange(received))
      else if (received.length >= end) {
        take(received.subarray(8, end))
        received = received.subarray(end)
      }
    })
  })
  failed.catch(() => undefined)
  const next = () =>
    new Promise<Buffer>((resolve) => {
      take = resolve
    })
  return { failed, next }
}

/** What a failed handshake of TLS says to an operator, by Node's codes; undefined where it may pass. */
function handshakeRefusal(error: NodeJS.ErrnoException & { reason?: string }): BusRefused | undefined {
  const { code = '', reason, message } = error
  if (code === 'CERT_HAS_EXPIRED')
    return new BusRefused('its certificate has expired', 'renew it on the broker')
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return new BusRefused(
      `its certificate is for another name (${message})`,
      'name the brokers in KAFKA_BROKERS and advertised.listeners as in their certificates, or set KAFKA_TLS_SERVERNAME',
    )
  if (/CERT|SIGNATURE|ISSUER|SIGNED|_CA$/.test(code) && !code.startsWith('ERR_SSL'))
    return new BusRefused(
      `its certificate is not trusted (${message})`,
      'set KAFKA_TLS_CA to the file of the authority that it comes from',
    )
  if (/^ERR_SSL_.*(PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL)/.test(code))
    return new BusRefused(
      'it speaks no version of TLS that we do',
      'let the broker speak TLS 1.2 or 1.3 (ssl.enabled.protocols)',
    )
  if (/^ERR_SSL_.*ALERT/.test(code))
    return new BusRefused(
      `it does not take our certificate (${reason ?? message.trim()})`,
      'set KAFKA_TLS_CERT and KAFKA_TLS_KEY to a pair that its authority has signed',
    )
  return undefined
}

/** Asks one broker. @throws BusRefused where waiting helps nothing */
async function converse<T>(
  settings: BusSettings,
  broker: string,
  timeout_ms: number,
  talk: (ask: Ask) => Promise<T>,
): Promise<T> {
  const colon = broker.lastIndexOf(':')
  const sockets = createSockets({ connect: settings.connect })
  let connected: () => void = () => undefined
  const open = new Promise<void>((resolve) => {
    connected = resolve
  })
  const socket = sockets.open({
    host: broker.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(broker.slice(colon + 1)),
    ssl: settings.tls as Parameters<typeof sockets.open>[0]['ssl'],
    onConnect: connected,
  })
  const { failed, next } = listenTo(socket)
  const ask: Ask = async (apiKey, version, body = Buffer.alloc(0)) => {
    await open
    const answer = next()
    socket.write(requestOf(settings.clientId, apiKey, version, body))
    return answer
  }
  try {
    return await within(timeout_ms, Promise.race([failed, talk(ask)]))
  } catch (error) {
    throw (settings.tls && handshakeRefusal(error as Error)) || error
  } finally {
    sockets.destroy()
  }
}

/**
 * Asks the brokers one after the other until one answers.
 * @throws BusRefused when none does, and one of them will not whatever time passes
 * @throws BusUnavailable when none does
 */
export async function firstAnswering<T>(
  settings: BusSettings,
  timeout_ms: number,
  talk: (ask: Ask) => Promise<T>,
): Promise<T> {
  const reasons: string[] = []
  let refused: BusRefused | undefined
  for (const broker of settings.brokers) {
    try {
      return await converse(settings, broker, timeout_ms / settings.brokers.length, talk)
    } catch (error) {
      reasons.push(`${broker}: ${(error as Error).message}`)
      if (error instanceof BusRefused)
        refused ??= new BusRefused(`Kafka at ${broker}: ${error.says}`, error.remedy, { cause: error })
    }
  }
  throw refused ?? new BusUnavailable(`no broker answers (${reasons.join('; ')})`)
}
