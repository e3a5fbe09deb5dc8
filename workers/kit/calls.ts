/** Calls as a gate passes them on: an operation with its arguments in JSON, and who waits for the answer. */
import type { coffeechat } from '../../proto/index.js'
import type { ErrorBody } from '../../schemas/user-operations.js'
import { httpAnswer } from './answers.js'
import { reject } from './worker.js'

interface Called {
  readonly origin: coffeechat.event.IOrigin
  readonly operation: string
  readonly arguments: string
}

/** The call in an event, or why there is none. @param parse throws where it is none */
export function callIn<Call>(event: Called, parse: (operation: string, json: string) => Call): Call | string {
  try {
    return parse(event.operation, event.arguments)
  } catch (error) {
    return (error as Error).message
  }
}

/** What each question found. An event for which `look` finds nothing to ask is left out. */
export async function lookUp<Event, Found>(
  events: readonly Event[],
  look: (event: Event) => Promise<Found | undefined>,
): Promise<ReadonlyMap<Event, Found>> {
  const found = new Map<Event, Found>()
  await Promise.all(
    events.map(async (event) => {
      const seen = await look(event)
      if (seen !== undefined) found.set(event, seen)
    }),
  )
  return found
}

export const errorBody = (code: string, message: string, field?: string): ErrorBody => ({
  error: { code, message, ...(field === undefined ? {} : { field }) },
})

/** Answers an app server's call with an error. @param field what is at fault in its request */
export const httpRefusal = (
  { origin }: Pick<Called, 'origin'>,
  status: number,
  code: string,
  message: string,
  field?: string,
) => httpAnswer(origin, status, errorBody(code, message, field))

/** To an event without a call that we know: the gate is of another release, or at fault. */
export const unknownCall = (event: Called, reason: string) => [
  httpRefusal(event, 500, 'INTERNAL', 'this server does not know the operation or its arguments'),
  reject(reason),
]
