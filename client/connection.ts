/**
 * Being connected and logged in, again and again: where one link ends the next begins, after a wait that grows; until
 * somebody says that it is over (asked to close, kicked, refused).
 */
import { type Backoff, backoffDelay, pickAddress } from './backoff.js'
import { ChatError, refusal } from './chat-error.js'
import type { Packet } from './frame.js'
import { type CIMAuthTokenReq, type CIMAuthTokenRsp, ErrorCode, type KickReason } from './gen/protocol.js'
import type { Link } from './link.js'
import { openWithLogin } from './login.js'
import type { OpenTransport } from './transport.js'

/** Why a client is closed for good. */
export type Ending =
  | { readonly why: 'asked' }
  | { readonly why: 'kicked'; readonly reason: KickReason; readonly message?: string | undefined }
  | { readonly why: 'refused'; readonly result_code: ErrorCode; readonly message?: string | undefined }

export type State =
  | { readonly name: 'idle' }
  | { readonly name: 'connecting' }
  | { readonly name: 'online' }
  /** Not connected; it tries again in so many ms. */
  | { readonly name: 'waiting'; readonly retryIn_ms: number; readonly reason: string }
  | { readonly name: 'closed'; readonly ending: Ending }

interface ConnectionOptions {
  readonly open: OpenTransport
  /** Least loaded first. Rejects where nobody can say now. */
  readonly addresses: () => Promise<readonly string[]>
  readonly login: () => Promise<CIMAuthTokenReq>
  readonly backoff: Backoff
  readonly heartbeat_ms: number
  readonly answerWithin_ms: number
  onState(state: State): void
  onOnline(link: Link, answer: CIMAuthTokenRsp): void
  onPacket(link: Link, packet: Packet): void
}

export interface Connection {
  state(): State
  /** The link, while logged in. */
  link(): Link | undefined
  /** Resolves with the first login; rejects where it ends before. */
  connect(): Promise<void>
  end(ending: Ending): void
  /** Tries again now instead of later: the network is back. */
  wake(): void
}

/** Refusals of a login that pass. */
const passing: readonly number[] = [ErrorCode.SERVER_BUSY, ErrorCode.RATE_LIMITED, ErrorCode.INTERNAL]
/** Who was online for so long begins with the shortest wait again. */
const steadyAfter_ms = 10_000

/** Not connected before `connect`. */
export function createConnection(options: ConnectionOptions): Connection {
  const waiters = createWaiters()
  const luck = Math.random()
  let state: State = { name: 'idle' }
  const patience = createPatience(options.backoff)
  /** The one that is being opened or in use: what others still bring is nothing to us. */
  let opened: Link | undefined
  /** The gateway that asked to leave. */
  let avoid: string | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const enter = (next: State): void => {
    clearTimeout(timer)
    state = next
    waiters.settle(next)
    options.onState(next)
  }

  function again(reason: string): void {
    opened = undefined
    const retryIn_ms = patience.next()
    enter({ name: 'waiting', retryIn_ms, reason })
    timer = setTimeout(() => void attempt(patience.failures()), retryIn_ms)
  }

  function finish(ending: Ending): void {
    const last = opened
    opened = undefined
    if (state.name !== 'closed') enter({ name: 'closed', ending })
    last?.close('closed here')
  }

  function answered(link: Link, address: string, answer: CIMAuthTokenRsp) {
    const { result_code, result_string: message } = answer
    if (passing.includes(result_code)) return link.close(`login: code ${result_code}`)
    if (result_code !== ErrorCode.SUCCESS) return finish({ why: 'refused', result_code, message })
    patience.rewarded()
    if (avoid !== address) avoid = undefined
    enter({ name: 'online' })
    options.onOnline(link, answer)
  }

  function received(link: Link, address: string, packet: Packet): void {
    if (packet.name === 'KICK_NOTIFY') finish({ why: 'kicked', ...packet.body })
    else if (packet.name === 'RECONNECT_NOTIFY') {
      // The gateway is draining: it serves until then, and another one after.
      avoid = address
      timer = setTimeout(() => link.close('the gateway is draining'), packet.body.delay_ms)
    } else options.onPacket(link, packet)
  }

  async function attempt(failures: number): Promise<void> {
    enter({ name: 'connecting' })
    const entered = state
    try {
      const [addresses, request] = await Promise.all([options.addresses(), options.login()])
      if (state !== entered) return
      const address = pickAddress(addresses, failures, luck, avoid)
      if (address === undefined) return again('there is no gateway')
      opened = openWithLogin(options, address, request, {
        isCurrent: (link) => link === opened,
        onAnswer: (link, answer) => answered(link, address, answer),
        onPacket: (link, packet) => received(link, address, packet),
        onClose: again,
      })
    } catch (error) {
      if (state === entered) again((error as Error).message)
    }
  }

  return {
    state: () => state,
    link: () => (state.name === 'online' ? opened : undefined),
    connect() {
      const ready = waiters.add(state)
      if (state.name !== 'online' && state.name !== 'connecting') void attempt(0)
      return ready
    },
    end: finish,
    wake: () => void (state.name === 'waiting' && attempt(0)),
  }
}

/** How often it was tried in vain, and how long to wait therefore. */
function createPatience(backoff: Backoff) {
  let attempts = 0
  let online_at: number | undefined
  return {
    failures: () => attempts,
    rewarded(): void {
      online_at = Date.now()
    },
    next(): number {
      if (online_at !== undefined && Date.now() - online_at > steadyAfter_ms) attempts = 0
      online_at = undefined
      return backoffDelay(backoff, attempts++, Math.random())
    },
  }
}

/** Who waits to be online. */
function createWaiters() {
  const waiting = new Set<{ resolve(): void; reject(error: ChatError): void }>()
  return {
    add: (state: State): Promise<void> =>
      new Promise((resolve, reject) => {
        if (state.name === 'online') resolve()
        else waiting.add({ resolve, reject })
      }),
    settle(state: State): void {
      if (state.name !== 'online' && state.name !== 'closed') return
      for (const { resolve, reject } of waiting)
        if (state.name === 'online') resolve()
        else reject(endingError(state.ending))
      waiting.clear()
    },
  }
}

function endingError(ending: Ending): ChatError {
  if (ending.why === 'refused') return refusal('login', ending.result_code, ending.message)
  return new ChatError('closed', ending.why === 'kicked' ? 'this device was kicked' : 'closed')
}
