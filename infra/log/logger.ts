/** The log: one JSON object a line on standard output, without secrets. */
import pino from 'pino'
import type { Logger } from '../../schemas/log.js'

const secretFields = [
  'token',
  'user_token',
  'authorization',
  'api_key',
  'apiKey',
  'password',
  'secret',
  'msg_data',
  'connectionString',
]
const secretPaths = secretFields.flatMap((name) => [name, `*.${name}`, `*.*.${name}`])

/** Credentials inside a URL, as some drivers put it into the text of an error. */
const urlCredentials = /\b([a-z][a-z0-9+]*:\/\/)[^\s/@]*@/gi

const withoutCredentials = (value: unknown): unknown =>
  typeof value === 'string' ? value.replace(urlCredentials, '$1***@') : value

/** An error as fields: type, text and stack, and its code where it has one. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return withoutCredentials(error)
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    message: withoutCredentials(error.message),
    stack: withoutCredentials(error.stack),
    ...(code === undefined ? {} : { code }),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  }
}

/**
 * @param level least severe line that is written
 * @param fields on every line, e.g. the roles of the process
 * @param destination standard output by default
 */
export function createLogger(
  level: string,
  fields: Readonly<Record<string, unknown>> = {},
  destination?: { write(line: string): void },
): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid, ...fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError, err: describeError },
      redact: { paths: secretPaths, censor: '***' },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  )
}
