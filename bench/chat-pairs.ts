/** Pairs of a sender and a receiver, each on a TCP connection of its own to the system under test. */
import { randomBytes } from 'node:crypto'
import { commands } from '../schemas/packets.js'
import { beatFor, hangUp, logIn, type Take } from './login.js'
import type { Path, PathEvents } from './path.js'
import { type Account, countOf, fieldsOf, messageStamper, messageText, receiptStamper } from './wire.js'

/**
 * Logs `accounts` in, the even ones as senders to the odd ones after them.
 * @param tcp host:port
 * @throws when a login fails
 */
export async function connectPairs(
  tcp: string,
  accounts: readonly Account[],
  events: PathEvents,
): Promise<Path> {
  const tag = randomBytes(4).toString('hex')
  let faults: string[] = []
  const peers = await Promise.all(accounts.map((account) => logIn(tcp, account)))
  const others: Take = (commandId, answer) => {
    if (commandId === commands.HEARTBEAT.id) return
    const code = commandId === commands.ERROR_NOTIFY.id ? ` with code ${fieldsOf(answer).get(3)}` : ''
    faults.push(`a packet of command 0x${commandId.toString(16)}${code}`)
  }

  const stampers: ReturnType<typeof messageStamper>[] = []
  for (let at = 0; at + 1 < peers.length; at += 2) {
    const [sender, receiver] = [peers[at]!, peers[at + 1]!]
    const [from, to] = [accounts[at]!.id, accounts[at + 1]!.id]
    stampers.push(messageStamper(from, to, tag, messageText))
    const receipt = receiptStamper(from, to, tag)
    sender.take = (commandId, answer) => {
      if (commandId !== commands.MSG_DATA_ACK.id) return others(commandId, answer)
      const fields = fieldsOf(answer)
      events.answered(countOf(fields.get(3) as Buffer), fields.get(4) as number)
    }
    receiver.take = (commandId, message) => {
      if (commandId !== commands.MSG_DATA.id) return others(commandId, message)
      const index = countOf(fieldsOf(message).get(3) as Buffer)
      events.delivered(index)
      receiver.socket.write(receipt(index))
    }
  }
  for (const { socket } of peers) {
    socket.on('error', () => {})
    socket.on('close', () => faults.push('a connection was closed'))
  }
  const heartbeat = beatFor(peers)

  return {
    pairs: stampers.length,
    send: (pair, index) => void peers[pair * 2]!.socket.write(stampers[pair]!(index)),
    faults() {
      const found = faults
      faults = []
      return found
    },
    async close() {
      clearInterval(heartbeat)
      await hangUp(peers)
    },
  }
}
