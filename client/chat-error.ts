/** Why something that was asked for did not happen. */
import { ErrorCode, ResCode } from './gen/protocol.js'

/**
 * refused: the server said no, `result_code` says why. full: too much is unsent. lost: the connection went before the
 * answer came, so nobody knows. late: no answer in time. closed: the client was closed, kicked or refused at login.
 */
export type Failure = 'refused' | 'full' | 'lost' | 'late' | 'closed'

export class ChatError extends Error {
  override readonly name = 'ChatError'
  constructor(
    readonly failure: Failure,
    message: string,
    /** A ResCode where a message was refused, an ErrorCode otherwise. */
    readonly result_code?: number,
    /** Where the HTTP API refused: its code, `TOO_LARGE`. */
    readonly code?: string,
  ) {
    super(message)
  }
}

const nameIn = (codes: Readonly<Record<string, number>>, code: number): string =>
  Object.entries(codes).find(([, value]) => value === code)?.[0] ?? `code ${code}`

/** A request that was refused. */
export const refusal = (what: string, code: number, reason = ''): ChatError =>
  new ChatError('refused', `${what}: ${nameIn(ErrorCode, code)}${reason && ` (${reason})`}`, code)

/** A message that was refused. */
export const notSent = (code: number): ChatError =>
  new ChatError('refused', `not sent: ${nameIn(ResCode, code)}`, code)

/** The server could not serve it now; it may well in a moment. */
export const isPassing = (error: unknown): boolean =>
  error instanceof ChatError &&
  error.failure === 'refused' &&
  (error.result_code === ErrorCode.SERVER_BUSY || error.result_code === ErrorCode.RATE_LIMITED)
