/** Users of the local profile to try things with: the starter names them, the web chat speaks as them. */
export const demoUsers = [
  { user_id: '1001', nick_name: 'Ada' },
  { user_id: '1002', nick_name: 'Bo' },
] as const
