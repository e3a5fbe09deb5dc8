/** What a room needs of a log: pino's shape. Never a token, a key or a message body in it. */
export interface Logger {
  debug(fields: object, text?: string): void
  info(fields: object, text?: string): void
  warn(fields: object, text?: string): void
  error(fields: object, text?: string): void
}

/** Whose lines LOG_LEVELS can tell apart; outside: webhooks, robots and providers of offline push. */
export const logRooms = ['gateway', 'workers', 'kafka', 'postgres', 'redis', 'outside', 'tracing'] as const
export type LogRoom = (typeof logRooms)[number]

/** The log of a process: lines of its own, and those of its rooms, which bear their name. */
export interface ProcessLog extends Logger {
  room(name: LogRoom): Logger
}

/** Logs what fails again and again as one line, and one more when it is over; each repeat is for who debugs. */
export function createTrouble(log: Logger, text: string) {
  let times = 0
  let since = 0
  const failed = (error: unknown, fields: object = {}): void => {
    times++
    if (times === 1) {
      since = Date.now()
      log.warn({ ...fields, error }, text)
    } else log.debug({ ...fields, error }, text)
  }
  const isOver = (): void => {
    if (times === 0) return
    log.info({ times, lasted_ms: Date.now() - since }, `over: ${text}`)
    times = 0
  }
  return {
    failed,
    isOver,
    /** Resolves when the work has ended, however it did. */
    around: (work: Promise<unknown>, fields?: object): Promise<void> =>
      work.then(isOver, (error: unknown) => failed(error, fields)),
  }
}
