/** A way from senders to receivers, whatever lies between: chat over sockets, or empty Kafka hops. */

/** What a path tells about the messages that went in; `index` is what `send` was given. */
export interface PathEvents {
  /** @param code CIMResCode; 0 = stored */
  answered(index: number, code: number): void
  delivered(index: number): void
}

export interface Path {
  readonly pairs: number
  /** Sends message number `index` from the pair's sender to its receiver. Each number once. */
  send(pair: number, index: number): void
  /** What went wrong beside the messages since the last call, such as a closed connection. */
  faults(): readonly string[]
  close(): Promise<void>
}
