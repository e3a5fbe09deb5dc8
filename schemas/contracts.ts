/** What businesses are told of the topics that are theirs: payloads, keys, examples. */
import {
  contactChanged,
  messageStored,
  presenceChanged,
  pushRequest,
  pushResult,
  receiptChanged,
  reportSubmitted,
} from './business-events.js'
import type { Contract } from './topic.js'

const push_id = '0b5c1f3e-6d0a-4c60-9d3e-2f6f2f1c8a11'
const time = 1_700_000_000_123

/** By the names of the catalogue. */
export const contracts = {
  pushRequested: {
    schema: pushRequest,
    key: 'any; what has the same key is served in order',
    example: {
      push_id,
      push_type: 'order.paid',
      to: { user_ids: ['1001'] },
      json: { order: '7' },
      offline: 'store',
      ttl_seconds: 86_400,
    },
  },
  pushResult: {
    schema: pushResult,
    key: 'push_id',
    example: { push_id, user_id: '1001', outcome: 'acked', client_type: 2, time },
  },
  reportSubmitted: {
    schema: reportSubmitted,
    key: 'user_id',
    example: {
      report_id: '5f2c1e7a-8f0b-4f0e-9a39-0c1d8f3b6a77',
      report_type: 'location',
      user_id: '1001',
      client_type: 2,
      gate_id: 'gate-1',
      create_time: time,
      received_time: time + 12,
      payload: 'eyJsYXQiOiA1Mi41fQ==',
    },
  },
  messageStored: {
    schema: messageStored,
    key: 'conversation',
    example: {
      conversation: 'c:1001:1002',
      session_type: 1,
      from_user_id: '1001',
      to_session_id: '1002',
      msg_id: '0e4a4a41-9d7b-4a0b-8d59-0a3c2a8f6b10',
      server_msg_id: '7',
      msg_type: 1,
      create_time: time,
      data: 'aGVsbG8=',
    },
  },
  receiptChanged: {
    schema: receiptChanged,
    key: 'conversation',
    example: {
      conversation: 'c:1001:1002',
      reader_user_id: '1002',
      server_msg_id: '7',
      state: 'read',
      client_type: 2,
      time,
    },
  },
  presenceChanged: {
    schema: presenceChanged,
    key: 'user_id',
    example: { user_id: '1001', client_type: 2, gate_id: 'gate-1', state: 'online', time },
  },
  contactChanged: {
    schema: contactChanged,
    key: 'user_id',
    example: {
      user_id: '1001',
      peer_id: '1002',
      state: 3,
      blocked: false,
      remark: 'from work',
      greeting: '',
      version: 12,
      time,
    },
  },
} as const satisfies Record<string, Contract>
