/** What a room needs of a log: pino's shape. Never a token, a key or a message body in it. */
export interface Logger {
  debug(fields: object, text?: string): void
  info(fields: object, text?: string): void
  warn(fields: object, text?: string): void
  error(fields: object, text?: string): void
}
