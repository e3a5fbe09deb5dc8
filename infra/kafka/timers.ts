/**
 * kafkajs 2.2.4 keeps a 1 ms timer running for ever on every connection that has answered once, and looks for
 * timed-out requests ten times a second: 4% of a core for five idle clients. Importing this file replaces both
 * schedules for the whole process.
 */
import { createRequire } from 'node:module'

interface RequestQueue {
  pending: unknown[]
  inflight: Map<number, { sentAt: number; requestTimeout: number; timeoutRequest(): void }>
  throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  requestTimeoutIntervalId?: NodeJS.Timeout
  enforceRequestTimeout: boolean
  isConnected(): boolean
  destroy(): void
  checkPendingRequests(): void
  scheduleCheckPendingRequests(): void
  scheduleRequestTimeoutCheck(): void
}

const pendingCheck_ms = 10
const timeoutCheck_ms = 1_000

const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as {
  prototype: RequestQueue
}

// Only something that waits needs a check; the original arms the timer with a negative delay otherwise.
prototype.scheduleCheckPendingRequests = function () {
  if (this.pending.length === 0 || this.throttleCheckTimeoutId !== null) return
  const wait_ms = Math.max(this.throttledUntil - Date.now(), pendingCheck_ms)
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null
    this.checkPendingRequests()
  }, wait_ms)
}

prototype.scheduleRequestTimeoutCheck = function () {
  if (!this.enforceRequestTimeout) return
  this.destroy()
  this.requestTimeoutIntervalId = setInterval(() => {
    const now = Date.now()
    for (const request of this.inflight.values())
      if (now - request.sentAt > request.requestTimeout) request.timeoutRequest()
    if (!this.isConnected()) this.destroy()
  }, timeoutCheck_ms)
}
