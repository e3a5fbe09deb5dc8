/**
 * A user whose app does what spec 1 asks of a client: comes back when the connection breaks, and sends what was not
 * acked again, under the same msg_id. All its connections are journaled for the checker.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { CIM } from '../../proto/index.js'
import type { BodyOf } from '../../schemas/packets.js'
import type { Journal } from './checker.js'
import { connectDevice, type Device } from './device.js'

const inFlight = 4
const again_ms = 250

interface Letter {
  readonly to: number
  readonly text: string
  readonly msg_id: string
}

export interface CorrespondentOptions {
  readonly user_id: number
  readonly token: string
  /** Ports of the gateways; the next one is tried when one fails. */
  readonly ports: readonly number[]
  /** Over TCP where it is not given. */
  readonly connect?: (port: number) => Promise<Device>
}

export interface Correspondent {
  readonly user_id: number
  readonly journals: readonly Journal[]
  /** Begins to send, after what waits already, in this order. */
  send(to: number, text: string): void
  /** Messages that are acked OK. */
  acked(): number
  /** How often it heard SERVER_BUSY. */
  busy(): number
  /** Messages that are not acked yet. */
  waiting(): number
  /** Gives up, for good, those of the messages now in flight that are chosen; returns how many. */
  abandon(choose: () => boolean): number
  /** Answers other than OK and SERVER_BUSY: none is expected. */
  readonly refusals: readonly string[]
  isOnline(): boolean
  /** The device that is logged in now. */
  device(): Device | undefined
  /** Cuts the connection, and stays away until it comes back. */
  away(): void
  back(): void
  /** How often it logged in. */
  logins(): number
  stop(): Promise<void>
}

interface State {
  readonly queue: Letter[]
  readonly flying: Map<string, Letter>
  readonly refusals: string[]
  readonly journals: Journal[]
  device: Device | undefined
  acked: number
  busy: number
  logins: number
  isAway: boolean
  stopped: boolean
}

/** Sends as many as may be in flight, in order. */
function fill(state: State): void {
  const { device, queue, flying } = state
  if (device === undefined || device.isClosed()) return
  while (flying.size < inFlight && queue.length > 0) {
    const letter = queue.shift()!
    flying.set(letter.msg_id, letter)
    device.send(letter.to, letter.text, { msg_id: letter.msg_id })
  }
}

async function onAck(state: State, { msg_id, res_code }: BodyOf<'MSG_DATA_ACK'>): Promise<void> {
  const letter = state.flying.get(msg_id)
  if (letter === undefined) return // a late answer, after one that said the same
  if (res_code === CIM.Def.CIMResCode.kCIM_RES_CODE_SERVER_BUSY) {
    state.busy++
    const { device } = state
    await pause(again_ms)
    if (state.flying.has(msg_id) && state.device === device && device?.isClosed() === false)
      device.send(letter.to, letter.text, { msg_id })
    return
  }
  state.flying.delete(msg_id)
  if (res_code === 0) state.acked++
  else state.refusals.push(`${msg_id} to ${letter.to}: ${res_code}`)
  fill(state)
}

/** One connection from login to close. */
async function visit(state: State, options: CorrespondentOptions, port: number): Promise<void> {
  const { user_id, token, connect = connectDevice } = options
  const device = await connect(port)
  const journal: { -readonly [Key in keyof Journal]: Journal[Key] } = { user_id, entries: device.journal }
  state.journals.push(journal)
  try {
    const { result_code } = await device.login(user_id, token)
    if (result_code !== 0) throw new Error(`login answered with ${result_code}`)
    if (state.isAway) return
    state.logins++
    state.device = device
    for (const { to, text, msg_id } of state.flying.values()) device.send(to, text, { msg_id })
    fill(state)
    while (!device.isClosed()) {
      const ack = await device.next('MSG_DATA_ACK', { within_ms: 2 ** 31 - 1 })
      void onAck(state, ack.body)
    }
  } finally {
    state.device = undefined
    journal.closed_at_ms = performance.now()
    device.cut()
  }
}

async function stayOnline(state: State, options: CorrespondentOptions): Promise<void> {
  const { ports } = options
  for (let turn = 0; !state.stopped; turn++) {
    // Every way in which a connection can end is met by the next one.
    if (!state.isAway) await visit(state, options, ports[turn % ports.length]!).catch(() => {})
    if (!state.stopped) await pause(again_ms)
  }
}

export function createCorrespondent(options: CorrespondentOptions): Correspondent {
  const state: State = {
    queue: [],
    flying: new Map(),
    refusals: [],
    journals: [],
    device: undefined,
    acked: 0,
    busy: 0,
    logins: 0,
    isAway: false,
    stopped: false,
  }
  const life = stayOnline(state, options)
  return {
    user_id: options.user_id,
    journals: state.journals,
    refusals: state.refusals,
    send(to, text) {
      state.queue.push({ to, text, msg_id: randomUUID() })
      fill(state)
    },
    acked: () => state.acked,
    busy: () => state.busy,
    waiting: () => state.queue.length + state.flying.size,
    abandon(choose) {
      const given = [...state.flying.keys()].filter(choose)
      for (const msg_id of given) state.flying.delete(msg_id)
      return given.length
    },
    isOnline: () => state.device !== undefined,
    logins: () => state.logins,
    device: () => state.device,
    away() {
      state.isAway = true
      state.device?.cut()
    },
    back() {
      state.isAway = false
    },
    async stop() {
      state.stopped = true
      state.device?.cut()
      await life
    },
  }
}
