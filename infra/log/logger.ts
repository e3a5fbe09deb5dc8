/** The log: one JSON object a line on standard output, without secrets. */
import pino from 'pino'
import type { LogRoom, ProcessLog } from '../../schemas/log.js'

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

interface LogOptions {
  /** On every line, e.g. the roles of the process. */
  readonly fields?: Readonly<Record<string, unknown>>
  /** Of rooms that have a level of their own. */
  readonly levels?: ReadonlyMap<LogRoom, string>
  /** Standard output where it is not given. */
  readonly destination?: { write(line: string): void }
}

/** @param level least severe line that is written */
export function createLogger(
  level: string,
  { fields = {}, levels = new Map(), destination = pino.destination({ fd: 1, sync: true }) }: LogOptions = {},
): ProcessLog {
  const log = pino(
    {
      level,
      base: { pid: process.pid, ...fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError, err: describeError },
      redact: { paths: secretPaths, censor: '***' },
    },
    destination,
  )
  return Object.assign(log, {
    room: (name: LogRoom) => log.child({ room: name }, { level: levels.get(name) ?? level }),
  })
}
