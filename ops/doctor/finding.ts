/** What the doctor says of one thing: well, doubtful, or wrong, and then what to do. */

export interface Finding {
  /** config, brokers, topics, groups, database, redis, clock, disk, providers */
  readonly part: string
  readonly verdict: 'ok' | 'doubtful' | 'wrong'
  readonly says: string
  /** What to do about it. */
  readonly remedy?: string
}

export const ok = (part: string, says: string): Finding => ({ part, verdict: 'ok', says })
export const doubtful = (part: string, says: string, remedy: string): Finding => ({
  part,
  verdict: 'doubtful',
  says,
  remedy,
})
export const wrong = (part: string, says: string, remedy: string): Finding => ({
  part,
  verdict: 'wrong',
  says,
  remedy,
})
