/** App servers that never stop calling, as through a balancer: over kept connections, at the gateways that are ready. */
import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { System } from './system.js'

export interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: object
}

interface Answered {
  readonly status: number
  readonly text: string
  /** Whether the connection is kept. */
  readonly isKept: boolean
}

export interface RestCallers {
  /** Calls that were begun and not answered: how they ended. None is expected. */
  readonly broken: readonly string[]
  /** Answers that told the caller to come by another connection. */
  closings(): number
  /** How often each status was answered, and how often a kept connection ended in the moment of a call. */
  report(): string
  /** Stops calling; resolves when the last call is answered. */
  stop(): Promise<void>
}

const host = '127.0.0.1'
const pace_ms = 20
const again_ms = 50

const collect = (response: IncomingMessage): Promise<Answered> =>
  new Promise((resolve, reject) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      text += chunk
    })
    response.once('error', reject)
    response.once('end', () => {
      const isKept = response.headers.connection !== 'close'
      resolve({ status: response.statusCode ?? 0, text, isKept })
    })
  })

const ask = (agent: Agent, port: number, key: string, { method, path, body }: Call): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const asking = request({ agent, host, port, method, path, headers }, (response) =>
      collect(response).then(resolve, reject),
    )
    asking.once('error', (error) =>
      reject(Object.assign(error, { isRace: asking.reusedSocket && error.message.includes('ECONNRESET') })),
    )
    asking.end(body === undefined ? undefined : JSON.stringify(body))
  })

/**
 * Starts so many callers; each makes one call after the other.
 * @param isReady whether the balancer takes this gateway for ready
 * @param next what to call now
 */
export function startRestCallers(
  system: System,
  count: number,
  isReady: (gateway: number) => boolean,
  next: () => Call,
): RestCallers {
  const agent = new Agent({ keepAlive: true, maxSockets: count })
  const statuses = new Map<number, number>()
  const broken: string[] = []
  let closings = 0
  let races = 0
  let isOver = false

  /**
   * A connection that is not made has cost nobody anything: the balancer takes the next gateway. A kept one that the
   * gateway closes in the moment of a call is HTTP's own race, and every client calls again.
   */
  async function call(turn: number, what: Call): Promise<void> {
    const usable = system.gateways.filter((_, at) => isReady(at))
    if (usable.length === 0) return void (await pause(again_ms))
    const { http } = usable[turn % usable.length]!
    try {
      const { status, text, isKept } = await ask(agent, http, system.apiKey, what)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      if (!isKept) closings++
      if (status >= 300 && status !== 503) broken.push(`${what.path}: ${status} ${text}`)
    } catch (error) {
      const { syscall, isRace, message } = error as NodeJS.ErrnoException & { isRace?: boolean }
      if (syscall !== 'connect' && !isRace) return void broken.push(`${what.path} at ${http}: ${message}`)
      if (isRace) races++
      await pause(again_ms)
      await call(turn + 1, what)
    }
  }

  const callers = Array.from({ length: count }, async (_, at) => {
    for (let turn = at; !isOver; turn++) {
      await call(turn, next())
      await pause(pace_ms)
    }
  })
  return {
    broken,
    report: () => `${JSON.stringify([...statuses])}, ${closings} to close, ${races} races`,
    closings: () => closings,
    async stop() {
      isOver = true
      await Promise.all(callers)
      agent.destroy()
    },
  }
}
