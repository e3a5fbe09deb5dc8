/** How far clocks of different machines may be apart: delays, ages and the times of messages are told by them. */

/** Between two machines, ms. */
export const clockSkew_ms = { doubtful: 500, wrong: 5_000 }

export const clockRemedy = 'let every machine take its time from the same NTP servers'

/** @param ahead_ms how far the first is before the second */
export const saysClock = (whose: string, ahead_ms: number, than: string): string =>
  `the clock of ${whose} is ${Math.abs(Math.round(ahead_ms))} ms ${ahead_ms < 0 ? 'behind' : 'ahead of'} ${than}`
