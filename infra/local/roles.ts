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
  'users',
  'groups',
  'robots',
  'contacts',
] as const
