/** Who learns of a change of settings, decided without I/O: spec 2, "Session settings". */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CIM, type coffeechat } from '../../proto/index.js'
import { commandName, commands } from '../../schemas/packets.js'
import type { PresentDevice } from '../../workers/ports/presence.js'
import type { SessionSettings } from '../../workers/ports/session-changes.js'
import { sessionSettings } from '../../workers/session-settings.worker.js'

const device = (gate_id: string, connection_id: number): PresentDevice => ({
  user_id: 10,
  device: { client_type: connection_id },
  gate_id,
  gate_epoch: 1,
  connection_id,
  login_number: 5,
  since: 0,
})

const request: coffeechat.event.ISessionRequested = {
  origin: {
    gate_id: 'g1',
    gate_epoch: 1,
    connection_id: 1,
    login_number: 5,
    user_id: 10,
    device: { client_type: 1 },
    seq_num: 9,
  },
  time: 123,
  update: { user_id: 10, session_type: 1, session_id: 20, is_muted: true, draft: '' },
}
const settings: SessionSettings = {
  session_status: 0,
  pinned: false,
  muted: true,
  draft: null,
  extend_data: 'x',
  updated_s: 7,
}

function rowOf() {
  const place = { topic: '', partition: 0, offset: 3, appended: 4 }
  const [outcome] = sessionSettings.decide(request, undefined, place)
  assert.ok(outcome?.kind === 'save')
  return outcome.row
}

function told(saved: SessionSettings | undefined, devices: readonly PresentDevice[]) {
  return (sessionSettings.saved?.(rowOf(), { settings: saved, devices }) ?? []).map((each) => {
    const [packet] = each.event.packet ?? []
    assert.ok(packet)
    const name = commandName(packet.command_id ?? 0)
    assert.ok(name === 'SESSION_UPDATE_RSP' || name === 'SESSION_UPDATE_NOTIFY')
    const { user_id, session_id, settings } = commands[name].type.decode(packet.body)
    const code = name === 'SESSION_UPDATE_RSP' && commands[name].type.decode(packet.body).result_code
    return {
      name,
      gate: each.instance,
      to: packet.target?.map(({ connection_id, seq_num }) => [connection_id, seq_num]),
      session: [user_id, session_id],
      code,
      settings: settings && { ...settings },
    }
  })
}

test('a change goes to the tables with the place of its record; what it does not name is undefined', () => {
  const { origin, ...row } = rowOf()
  assert.equal(origin, request.origin)
  assert.deepEqual(row, {
    user_id: 10,
    session_type: 1,
    session_id: 20,
    pinned: undefined,
    muted: true,
    session_status: undefined,
    draft: '',
    extend_data: undefined,
    offset: 3,
    appended: 4,
  })
})

test("who asked is answered, and the user's other devices are told all settings", () => {
  const session = [10, 20]
  const shown = {
    session_status: 0,
    is_pinned: false,
    is_muted: true,
    extend_data: 'x',
    updated_time: 7,
  }
  assert.deepEqual(told(settings, [device('g1', 1), device('g1', 2), device('g2', 1)]), [
    { name: 'SESSION_UPDATE_RSP', gate: 'g1', to: [[1, 9]], session, code: 0, settings: shown },
    {
      name: 'SESSION_UPDATE_NOTIFY',
      gate: 'g1',
      to: [[2, undefined]],
      session,
      code: false,
      settings: shown,
    },
    {
      name: 'SESSION_UPDATE_NOTIFY',
      gate: 'g2',
      to: [[1, undefined]],
      session,
      code: false,
      settings: shown,
    },
  ])
})

test('a session that is not there is answered with NOT_FOUND, and nobody else is told', () => {
  const code = CIM.Def.CIMErrorCode.kCIM_ERR_NOT_FOUND
  assert.deepEqual(
    told(undefined, [device('g1', 1), device('g2', 1)]).map((each) => [each.name, each.to, each.code]),
    [['SESSION_UPDATE_RSP', [[1, 9]], code]],
  )
})
