/** The roles of the local stack. */
import { CannotStart } from './terminal.js'

/** The roles that `--processes` runs as processes of their own. */
export const roleNames = [
  'gateway',
  'presence',
  'message-store',
  'group-fanout',
  'delivery',
  'ack-tracker',
  'delivery-check',
  'delivery-missed',
  'offline-push',
  'login',
  'queries',
  'read-marker',
  'session-settings',
  'users',
  'groups',
  'files',
  'robots',
  'contacts',
  'org',
  's2c-push',
  'webhooks',
] as const

/** Told before anything is started: a process with such a role would only end again and again. @throws CannotStart */
export function requireRoles(roles: readonly string[]): void {
  const unknown = roles.find((role) => role !== 'all' && !(roleNames as readonly string[]).includes(role))
  if (unknown === undefined) return
  throw new CannotStart(`ROLES: there is no role ${unknown}; there are all, ${roleNames.join(', ')}`)
}
