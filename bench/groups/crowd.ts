/** The members of one group who are online, each on a TCP connection of its own, on several gateways in turn. */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { commands } from '../../schemas/packets.js'
import { beatFor, hangUp, logInAll } from '../login.js'
import { sendAtRate, settle } from '../pace.js'
import { type Account, countOf, fieldsOf, groupReceiptStamper, messageStamper, messageText } from '../wire.js'
import { type GroupFigures, type GroupJournal, openGroupJournal } from './journal.js'

export interface CrowdOrder {
  /** host:port of each gateway. */
  readonly gates: readonly string[]
  readonly group_id: number
  readonly members: readonly Account[]
  /** The first so many of the members send, in turn. */
  readonly senders: number
}

export interface Crowd {
  /** @param giveUp_ms stops sending once a message is that late */
  run(rate: number, seconds: number, giveUp_ms: number): Promise<GroupFigures>
  /** What went wrong beside the messages since the last call, such as a closed connection. */
  faults(): readonly string[]
  close(): Promise<void>
}

const loginsAtOnce = 50
const quietFor_ms = 300
const quietWithin_ms = 20_000

/** @throws when a login fails */
export async function openCrowd(order: CrowdOrder): Promise<Crowd> {
  const { gates, group_id, members, senders } = order
  const tag = randomBytes(4).toString('hex')
  const peers = await logInAll(gates, members, loginsAtOnce)
  const messages = members.slice(0, senders).map(({ id }) => messageStamper(id, group_id, tag, messageText))
  const receipts = members.slice(0, senders).map(({ id }) => groupReceiptStamper(id, group_id, tag))
  /** An ack is the same for every member: it is made once per message. */
  const madeReceipts = new Map<number, Buffer>()
  let faults: string[] = []
  let journal: GroupJournal | undefined
  /** Messages are numbered through all runs. */
  let next = 0
  let first = 0
  let lastHeard = 0

  function receiptOf(count: number): Buffer {
    let receipt = madeReceipts.get(count)
    if (receipt === undefined) {
      receipt = receipts[count % senders]!(count)
      madeReceipts.set(count, receipt)
    }
    return receipt
  }

  for (const [member, peer] of peers.entries()) {
    peer.take = (commandId, answer) => {
      lastHeard = performance.now()
      if (commandId === commands.HEARTBEAT.id) return
      const fields = fieldsOf(answer)
      const count = commandId === commands.ERROR_NOTIFY.id ? 0 : countOf(fields.get(3) as Buffer)
      if (commandId === commands.MSG_DATA.id) {
        journal?.delivered(count - first, member, fields.get(21) as number, lastHeard)
        peer.socket.write(receiptOf(count))
      } else if (commandId === commands.MSG_DATA_ACK.id)
        journal?.answered(count - first, fields.get(4) as number, lastHeard)
      else faults.push(`a packet of command 0x${commandId.toString(16)}, code ${fields.get(3)}`)
    }
    peer.socket.on('error', () => {})
    peer.socket.on('close', () => faults.push('a connection was closed'))
  }
  const heartbeat = beatFor(peers)

  return {
    async run(rate, seconds, giveUp_ms) {
      const own = openGroupJournal(members.length)
      journal = own
      first = next
      madeReceipts.clear()
      await sendAtRate(rate, seconds, (_, due) => {
        const now = performance.now()
        if (now - (own.oldestDue_ms() ?? now) > giveUp_ms) return false
        const sender = next % senders
        own.sent(sender, due, now)
        peers[sender]!.socket.write(messages[sender]!(next++))
        return true
      })
      await settle(own)
      // Nothing of this run may burden the next one.
      const deadline = performance.now() + quietWithin_ms
      while (performance.now() - lastHeard < quietFor_ms && performance.now() < deadline) await pause(50)
      return own.figures()
    },
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
