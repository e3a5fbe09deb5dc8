/**
 * The gate's lease (spec 2, "Login, presence, kick" 4; I9). Its age is judged by the monotonic clock at every entry,
 * never by a timer, because the timers of a process that was frozen fire late. From the moment it is too old until it
 * was renewed and all devices are registered again, the gate is suspended.
 */
import { createTrouble, type Logger } from '../schemas/log.js'

export interface LeaseKeeper {
  /** The first renewal, repeated until it succeeds, and then one every third of the lease. Rejects when fenced. */
  start(): Promise<void>
  /** Renews now, as the addresses have become known. Rejects when Redis is away. */
  renew(): Promise<void>
  /** Asked before everything that leaves the gate. Cheap. */
  isSuspended(): boolean
  isFenced(): boolean
  /** Resolves when the lease is held, or after `timeout_ms`: look again then. */
  whenHeld(timeout_ms: number): Promise<void>
  stop(): void
}

interface LeaseOptions {
  readonly lease_ms: number
  /** ms, monotonic, and going on while the process is stopped. */
  readonly now: () => number
  /** GateLease.renew with the addresses and load of the moment. */
  readonly renew: () => Promise<'held' | 'restored' | 'fenced'>
  /** Registers every device of the gate again. Rejects when Redis is away. */
  readonly registerAll: () => Promise<void>
  readonly onFenced: () => void
  readonly log: Logger
}

interface LeaseState {
  /** ms, by `now`. */
  heldUntil: number
  /** Devices are known to Redis under the lease as it is held. */
  registered: boolean
  fenced: boolean
  stopped: boolean
  readonly waiting: Set<() => void>
}

const retry_ms = 500

export function createLeaseKeeper(options: LeaseOptions): LeaseKeeper {
  const state: LeaseState = {
    heldUntil: 0,
    registered: false,
    fenced: false,
    stopped: false,
    waiting: new Set(),
  }
  const shortly_ms = Math.min(retry_ms, options.lease_ms / 10)
  let renewing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  // One at a time; who asks during a renewal gets one that began later.
  const renew = async (): Promise<void> => {
    while (renewing) await renewing.catch(() => {})
    renewing = renewOnce(options, state)
    try {
      await renewing
    } finally {
      renewing = undefined
    }
  }

  const unrenewed = createTrouble(options.log, 'the lease was not renewed')
  const renewOrLog = (): Promise<void> => unrenewed.around(renew())

  const keepRenewing = async (): Promise<void> => {
    await renewOrLog()
    if (state.stopped || state.fenced) return
    timer = setTimeout(keepRenewing, isSuspended(options, state) ? shortly_ms : options.lease_ms / 3)
  }

  return {
    async start() {
      while (!state.stopped && !state.fenced && isSuspended(options, state)) {
        await renewOrLog()
        if (isSuspended(options, state)) await new Promise((resolve) => setTimeout(resolve, shortly_ms))
      }
      if (state.fenced) throw new Error('a newer gate has this id')
      timer = setTimeout(keepRenewing, options.lease_ms / 3)
    },
    renew,
    isSuspended: () => isSuspended(options, state),
    isFenced: () => state.fenced,
    whenHeld: (timeout_ms) => (isSuspended(options, state) ? waitFor(state, timeout_ms) : Promise.resolve()),
    stop() {
      state.stopped = true
      clearTimeout(timer)
      wakeAll(state)
    },
  }
}

function isSuspended({ now, log }: LeaseOptions, state: LeaseState): boolean {
  if (state.registered && now() >= state.heldUntil) {
    state.registered = false
    log.warn({}, 'the lease is too old: suspended')
  }
  return !state.registered
}

async function renewOnce(options: LeaseOptions, state: LeaseState): Promise<void> {
  const { lease_ms, now, log } = options
  // The lease runs from before the request: a process frozen in between must not think it younger.
  const begun = now()
  const answer = await within(options.renew(), lease_ms / 2)
  if (answer === 'fenced') return fence(options, state)
  if (isSuspended(options, state) || answer === 'restored') state.registered = false
  state.heldUntil = begun + lease_ms
  if (state.registered) return
  await within(options.registerAll(), lease_ms)
  if (state.fenced || now() >= state.heldUntil) return
  state.registered = true
  log.info({}, 'the lease is held')
  wakeAll(state)
}

function fence({ log, onFenced }: LeaseOptions, state: LeaseState): void {
  state.registered = false
  if (state.fenced) return
  state.fenced = true
  log.error({}, 'a newer gate has taken this id')
  wakeAll(state)
  onFenced()
}

function wakeAll({ waiting }: LeaseState): void {
  for (const wake of waiting) wake()
  waiting.clear()
}

function waitFor({ waiting }: LeaseState, timeout_ms: number): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer)
      waiting.delete(wake)
      resolve()
    }
    const timer = setTimeout(wake, timeout_ms)
    waiting.add(wake)
  })
}

/** Rejects where the answer takes longer; what it brings then is ignored. */
function within<Value>(answer: Promise<Value>, timeout_ms: number): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${timeout_ms} ms`)), timeout_ms)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
