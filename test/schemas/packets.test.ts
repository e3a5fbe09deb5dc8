import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enumValues, messageFields } from '../../proto/gen/descriptor.js'
import { CIM } from '../../proto/index.js'
import {
  answerOf,
  type CommandName,
  clientCommandName,
  commandName,
  commands,
} from '../../schemas/packets.js'

const names = Object.keys(commands) as CommandName[]

test('the commands are those of the enum that clients compile', () => {
  const ids = Object.values(CIM.Def.CIMCmdID).filter((id) => typeof id === 'number')
  assert.deepEqual(names.map((name) => commands[name].id).toSorted(), ids.toSorted())
})

test('each command id has one name', () => {
  for (const name of names) assert.equal(commandName(commands[name].id), name)
  for (const id of [0, 0x0104 + 3, 0x0401, 0x0407, 0x050a, 0x0701, 0xffff])
    assert.equal(commandName(id), undefined)
})

test('a client may send no command that only the server has', () => {
  assert.equal(clientCommandName(commands.MSG_DATA.id), 'MSG_DATA')
  assert.equal(clientCommandName(commands.HEARTBEAT.id), 'HEARTBEAT')
  assert.equal(clientCommandName(commands.AUTH_TOKEN_RSP.id), undefined)
  assert.equal(clientCommandName(commands.KICK_NOTIFY.id), undefined)
})

test('each request has an answer of the other direction', () => {
  for (const name of names.filter((name) => name.endsWith('_REQ'))) {
    const answer = answerOf(name)
    assert.ok(answer && answer in commands, name)
    assert.deepEqual([commands[name].direction, commands[answer].direction], ['c2s', 's2c'])
  }
  assert.equal(answerOf('MSG_DATA'), 'MSG_DATA_ACK')
  assert.equal(answerOf('HEARTBEAT'), 'HEARTBEAT')
  assert.equal(answerOf('MSG_READ_ACK'), undefined)
})

test('each command has a body that is a message of the wire, with encoder and decoder', () => {
  for (const name of names) {
    assert.ok(commands[name].message in messageFields)
    assert.equal(typeof commands[name].type.decode, 'function')
  }
})

/** "Enumerations" of the wire's contract. */
const contract = {
  'Def.CIMErrorCode': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  'Def.CIMResCode': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  'Def.CIMClientType': [0, 1, 2, 3, 4, 5, 6],
  'Def.CIMSessionType': [1, 2],
  'Def.CIMMsgType': [1, 2, 3, 4, 5, 6, 7, 8, 9, 100],
  'Def.CIMMessageStatus': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  'Def.CIMSessionStatusType': [0, 1],
  'Def.CIMMessageFeature': [0, 1, 2, 3, 4],
  'Def.CIMKickReason': [1, 2, 3, 4],
  'Group.CIMGroupType': [1, 2],
  'Group.CIMGroupJoinModel': [0, 1, 2],
  'Group.CIMGroupBeInviteMode': [0, 1],
  'Group.CIMGroupMuteModel': [0, 1],
  'Group.CIMGroupMemberChangedType': [1, 2],
  'Group.CIMGroupRole': [0, 1, 2],
  'Friend.CIMContactState': [0, 1, 2, 3],
  'Group.CIMGroupJoinKind': [1, 2],
  'Group.CIMGroupJoinState': [1, 2],
}

test('the enumerations have the values of the contract and no other', () => {
  const { 'CIM.Def.CIMCmdID': _commands, ...others } = enumValues
  const expected = Object.entries(contract).map(([name, values]) => [`CIM.${name}`, values] as const)
  assert.deepEqual(others, Object.fromEntries(expected))
})

test('the origin’s spelling is kept', () => {
  assert.equal(CIM.Def.CIMErrorCode.kCIM_ERR_SUCCSSE, 0)
  assert.equal(CIM.Def.CIMMsgType.kCIM_MSG_TYPE_Audio, 3)
  assert.equal(CIM.Def.CIMMsgType.kCIM_MSG_TYPE_Robot, 9)
  assert.equal(CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_MAC_OS, 6)
  assert.equal(CIM.Def.CIMResCode.kCIM_RES_CODE_GROUP_NOT_EXIST, 2)
})
