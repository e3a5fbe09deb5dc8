/** What businesses read from the bus: JSON, ids as decimal strings, times in ms. */

/** im.message.stored, for businesses: ids as decimal strings, times in ms. */
export interface MessageStoredJson {
  conversation: string
  session_type: number
  from_user_id: string
  to_session_id: string
  msg_id: string
  server_msg_id: string
  msg_type: number
  create_time: number
  data: string
}

/** im.presence.changed, for businesses. */
export interface PresenceChangedJson {
  user_id: string
  client_type: number
  device_id?: string
  gate_id: string
  state: 'online' | 'offline' | 'kicked' | 'logged_out'
  time: number
}

/** im.receipt.changed, for businesses. */
export interface ReceiptChangedJson {
  conversation: string
  reader_user_id: string
  server_msg_id: string
  state: 'delivered' | 'read'
  client_type: number
  time: number
}
