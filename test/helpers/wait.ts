/** Waiting for what becomes true in another process. */
import { setTimeout as pause } from 'node:timers/promises'

/** Asks again until it holds. @throws after `within_ms` */
export async function conditionHolds(
  what: string,
  condition: () => boolean | Promise<boolean>,
  within_ms = 20_000,
): Promise<void> {
  for (const deadline = Date.now() + within_ms; !(await condition()); await pause(50))
    if (Date.now() > deadline) throw new Error(`not within ${within_ms} ms: ${what}`)
}
