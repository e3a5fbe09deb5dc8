import type { Logger } from '../../schemas/log.js'

/** A log that says nothing: for tests whose subject is not the log. */
export const silentLog: Logger = { debug() {}, info() {}, warn() {}, error() {} }
