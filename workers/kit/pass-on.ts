/** Events that come again changed: another round, the next check. */

/**
 * `changed` with the fields of `event` that only a newer release knows, since whoever reads it next may be that newer
 * one. Both are of the same message; protobufjs keeps such fields aside, where a spread does not see them.
 */
export function passOn<Event extends object>(event: Event, changed: Event): Event {
  const unknown = Object.getOwnPropertyDescriptor(event, '$unknowns')
  return unknown === undefined ? changed : Object.defineProperty(changed, '$unknowns', unknown)
}
