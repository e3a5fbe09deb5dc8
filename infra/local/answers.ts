/** Asks a starting server again and again until it answers. */
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** A connection on which a question was put. */
interface Question {
  socket: Socket
  isAnswer(reply: Buffer): boolean
}

const between_ms = 50
const patience_ms = 2_000

function answered({ socket, isAnswer }: Question): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (value: boolean) => {
      socket.destroy()
      resolve(value)
    }
    socket.setTimeout(patience_ms, () => settle(false))
    socket.on('error', () => settle(false))
    socket.on('close', () => settle(false))
    socket.on('data', (reply) => settle(isAnswer(reply)))
  })
}

/** Resolves once `ask`'s question is answered; rejects when the server `ended` meanwhile. */
export async function until(ended: AbortSignal, ask: () => Question): Promise<void> {
  while (!(await answered(ask()))) await pause(between_ms, undefined, { signal: ended })
}
