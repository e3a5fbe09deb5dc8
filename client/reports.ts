/** Reports to the business: asked again, under the same report_id, until the server has it for good. */
import { backoffDelay } from './backoff.js'
import { ChatError, isPassing, refusal } from './chat-error.js'
import { ErrorCode } from './gen/protocol.js'
import type { Link } from './link.js'
import { newMsgId } from './sender.js'

const backoff = { first_ms: 500, longest_ms: 10_000 }
const encoder = new TextEncoder()

/**
 * Resolves once the business has it. Tries over any number of connections.
 * @param link resolves with a connection that is logged in; rejects where there will be none
 */
export async function sendReport(
  user_id: number,
  link: () => Promise<Link>,
  report_type: string,
  content: string | Uint8Array,
  report_id = newMsgId(),
): Promise<void> {
  const payload = typeof content === 'string' ? encoder.encode(content) : content
  const report = { user_id, report_id, report_type, create_time: Date.now(), payload }
  for (let attempt = 0; ; attempt++) {
    const to = await link()
    try {
      const { result_code } = await to.ask('REPORT', report)
      if (result_code === ErrorCode.SUCCESS) return
      throw refusal('REPORT', result_code)
    } catch (error) {
      const isOpen = error instanceof ChatError && (error.failure === 'lost' || error.failure === 'late')
      if (!isOpen && !isPassing(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, backoffDelay(backoff, attempt, Math.random())))
    }
  }
}
