/** Requests of one user, one after the other: what a client asks for when it opens a list, scrolls back or catches up. */
import { commands } from '../../schemas/packets.js'
import { type Spread, spreadOf } from '../journal.js'
import { logIn, type Peer } from '../login.js'
import { type Account, fieldsOf, number, packet } from '../wire.js'

export type ReadingOrder = { readonly tcp: string } & (
  | {
      readonly what: 'sessions'
      readonly account: Account
      readonly requests: number
      readonly limit: number
    }
  | {
      readonly what: 'history'
      readonly account: Account
      readonly peer_id: number
      readonly requests: number
      readonly limit: number
      /** The page ends before one of these numbers; 0: it is the newest. */
      readonly before: readonly [least: number, most: number]
    }
  /** Everything each of them has, page by page. */
  | {
      readonly what: 'sync'
      readonly accounts: readonly Account[]
      readonly limit: number
      readonly messages: number
    }
)

export interface ReadingFigures {
  readonly requests: number
  /** Of one request, ms. */
  readonly request: Spread
  /** Of a whole sync, ms, and its messages a second in the middle. */
  readonly whole?: Spread
  readonly perSecond?: number
}

const { RECENT_CONTACT_SESSION_REQ, MSG_LIST_REQ, SYNC_REQ, HEARTBEAT } = commands
const sessionTypeSingle = 1
/** So many requests come first that are not counted. */
const unmeasured = 5

/** Asks once and waits for the answer. */
function ask(peer: Peer, seqNum: number, commandId: number, body: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    peer.take = (answered, answer) => {
      if (answered === HEARTBEAT.id) return
      if (answered === commands.ERROR_NOTIFY.id)
        reject(new Error(`refused with code ${fieldsOf(answer).get(3)}`))
      else resolve(answer)
    }
    peer.socket.write(packet(commandId, seqNum, body))
  })
}

interface Asker {
  /** Answers the body, and notes how long it took. */
  ask(commandId: number, body: Buffer): Promise<Buffer>
  readonly times: number[]
  close(): void
}

async function openAsker(tcp: string, account: Account): Promise<Asker> {
  const peer = await logIn(tcp, account)
  const times: number[] = []
  let seqNum = 1
  return {
    async ask(commandId, body) {
      const begun = performance.now()
      const answer = await ask(peer, ++seqNum, commandId, body)
      times.push(performance.now() - begun)
      return answer
    },
    times,
    close: () => peer.socket.destroySoon(),
  }
}

async function repeat(
  tcp: string,
  account: Account,
  { requests, commandId, body }: { requests: number; commandId: number; body: () => Buffer },
): Promise<ReadingFigures> {
  const asker = await openAsker(tcp, account)
  for (let count = 0; count < unmeasured + requests; count++) await asker.ask(commandId, body())
  asker.close()
  return { requests, request: spreadOf(asker.times.slice(unmeasured)) }
}

async function syncAll({ tcp, accounts, limit, messages }: Extract<ReadingOrder, { what: 'sync' }>) {
  const times: number[] = []
  const wholes: number[] = []
  for (const account of accounts) {
    const asker = await openAsker(tcp, account)
    const begun = performance.now()
    for (let cursor = 0, more = true; more; ) {
      const body = Buffer.concat([number(1, account.id), number(2, cursor), number(3, limit)])
      const page = fieldsOf(await asker.ask(SYNC_REQ.id, body))
      cursor = page.get(2) as number
      more = page.get(3) === 1
      if (!more && cursor !== messages) throw new Error(`A sync ended at ${cursor} instead of ${messages}`)
    }
    wholes.push(performance.now() - begun)
    times.push(...asker.times)
    asker.close()
  }
  const whole = spreadOf(wholes)
  return {
    requests: times.length,
    request: spreadOf(times),
    whole,
    perSecond: (messages * 1000) / (whole.p50 ?? 1),
  }
}

/** @throws when a request is refused */
export function read(order: ReadingOrder): Promise<ReadingFigures> {
  const { tcp } = order
  if (order.what === 'sync') return syncAll(order)
  const { account, requests, limit } = order
  if (order.what === 'sessions') {
    const body = Buffer.concat([number(1, account.id), number(2, 0), number(20, limit)])
    return repeat(tcp, account, { requests, commandId: RECENT_CONTACT_SESSION_REQ.id, body: () => body })
  }
  const [least, most] = order.before
  const asked = Buffer.concat([number(1, account.id), number(2, sessionTypeSingle), number(3, order.peer_id)])
  const body = () =>
    Buffer.concat([asked, number(4, least + Math.floor(Math.random() * (most - least))), number(6, limit)])
  return repeat(tcp, account, { requests, commandId: MSG_LIST_REQ.id, body })
}
