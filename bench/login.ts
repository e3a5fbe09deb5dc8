/** A connection of the generator that is logged in. */
import { connect, type Socket } from 'node:net'
import { commands } from '../schemas/packets.js'
import { type Account, fieldsOf, loginPacket, packet, packetReader } from './wire.js'

const loginWithin_ms = 15_000
const heartbeatEvery_ms = 15_000

export type Take = (commandId: number, body: Buffer) => void

export interface Peer {
  readonly socket: Socket
  /** Who reads what arrives from now on. */
  take: Take
}

/** Connects and logs in. @param tcp host:port @throws when the login is refused, or not answered in time */
export async function logIn(tcp: string, account: Account): Promise<Peer> {
  const [host = '', port] = tcp.split(':')
  const socket = connect({ host, port: Number(port), noDelay: true })
  const late = AbortSignal.timeout(loginWithin_ms)
  try {
    return await new Promise<Peer>((resolve, reject) => {
      const refuse = (why: string) => () => reject(new Error(`The login of user ${account.id}: ${why}`))
      late.addEventListener('abort', refuse('no answer'))
      socket.once('error', (error) => refuse(error.message)())
      socket.once('close', refuse('the connection was closed'))
      const peer: Peer = {
        socket,
        take(commandId, answer) {
          const code = fieldsOf(answer).get(2)
          if (commandId === commands.AUTH_TOKEN_RSP.id && code === 0) resolve(peer)
          else refuse(`command ${commandId}, result code ${code}`)()
        },
      }
      socket.on(
        'data',
        packetReader((commandId, answer) => peer.take(commandId, answer)),
      )
      socket.write(loginPacket(account))
    })
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** Logs all in, some at once, on the gates in turn. @param gates host:port of each */
export async function logInAll(
  gates: readonly string[],
  accounts: readonly Account[],
  atOnce: number,
): Promise<Peer[]> {
  const peers: Peer[] = []
  while (peers.length < accounts.length) {
    const base = peers.length
    const some = accounts.slice(base, base + atOnce)
    peers.push(
      ...(await Promise.all(some.map((each, at) => logIn(gates[(base + at) % gates.length]!, each)))),
    )
  }
  return peers
}

/** Closes the connections, once what is written to them is sent. */
export async function hangUp(peers: readonly Peer[]): Promise<void> {
  const closed = peers.map(({ socket }) => new Promise((done) => socket.once('close', done)))
  for (const { socket } of peers) socket.destroySoon()
  await Promise.all(closed)
}

/** Keeps connections alive until the timer is cleared. */
export const beatFor = (peers: readonly Peer[]): NodeJS.Timeout =>
  setInterval(() => {
    for (const { socket } of peers) socket.write(packet(commands.HEARTBEAT.id, 1))
  }, heartbeatEvery_ms)
