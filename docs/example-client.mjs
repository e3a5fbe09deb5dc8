// A whole client in one page, over WebSocket and with nothing of the server but its .proto files:
//   node docs/example-client.mjs USER_ID TOKEN [PEER_ID TEXT]
// logs in, sends TEXT to PEER_ID where they are given, then prints and acks what it gets. Ctrl-C ends it.
// CIM_URL is where the server is, when not at its usual port.
import { randomUUID } from 'node:crypto'
import protobuf from 'protobufjs'
import WebSocket from 'ws'

const [userId, token, peerId, text] = process.argv.slice(2)
if (token === undefined || (peerId !== undefined && text === undefined)) {
  console.error('node docs/example-client.mjs USER_ID TOKEN [PEER_ID TEXT]')
  process.exit(2)
}
const socket = new WebSocket(process.env.CIM_URL ?? 'ws://127.0.0.1:8080/ws')

const files = ['proto/CIM.Login.proto', 'proto/CIM.Message.proto']
const proto = new protobuf.Root().loadSync(files, { keepCase: true })
const command = (id, message) => ({ id, type: proto.lookupType(message) })
const AUTH_TOKEN_REQ = command(0x0101, 'CIM.Login.CIMAuthTokenReq')
const AUTH_TOKEN_RSP = command(0x0102, 'CIM.Login.CIMAuthTokenRsp')
const HEARTBEAT = command(0x0105, 'CIM.Login.CIMHeartBeat')
const MSG_DATA = command(0x0301, 'CIM.Message.IMMsgData')
const MSG_DATA_ACK = command(0x0302, 'CIM.Message.IMMsgDataAck')

let seq = 0
const shown = new Set()

function send({ id, type }, fields) {
  const body = type.encode(fields).finish()
  const header = Buffer.alloc(16)
  header.writeUInt32BE(16 + body.length, 0)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(id, 10)
  header.writeUInt16BE(++seq, 12)
  socket.send(Buffer.concat([header, body]))
}

const handlers = {
  [AUTH_TOKEN_RSP.id](body) {
    const { result_code, result_string } = AUTH_TOKEN_RSP.type.decode(body)
    console.log(`login: result_code ${result_code} ${result_string}`.trimEnd())
    if (result_code === 0 && text !== undefined) sendText()
  },
  [MSG_DATA.id](body) {
    const { from_user_id, to_session_id, msg_id, server_msg_id, msg_data } = MSG_DATA.type.decode(body)
    const name = `${from_user_id}, number ${server_msg_id}`
    if (!shown.has(name)) console.log(`${name}: ${msg_data}`) // it may come twice
    shown.add(name)
    send(MSG_DATA_ACK, { from_user_id, to_session_id, msg_id, res_code: 0, session_type: 1 })
  },
  [MSG_DATA_ACK.id](body) {
    const { res_code, server_msg_id } = MSG_DATA_ACK.type.decode(body)
    console.log(res_code === 0 ? `stored as number ${server_msg_id}` : `refused: res_code ${res_code}`)
  },
}

function sendText() {
  send(MSG_DATA, {
    from_user_id: Number(userId),
    to_session_id: Number(peerId),
    msg_id: randomUUID(),
    create_time: Date.now(),
    msg_type: 1,
    msg_data: Buffer.from(text),
  })
}

socket.on('open', () => {
  send(AUTH_TOKEN_REQ, { user_id: Number(userId), nick_name: '', user_token: token, client_type: 3 })
  setInterval(() => send(HEARTBEAT, {}), 30_000)
})
socket.on('message', (message) => {
  for (let at = 0; at < message.length; at += message.readUInt32BE(at))
    handlers[message.readUInt16BE(at + 10)]?.(message.subarray(at + 16, at + message.readUInt32BE(at)))
})
socket.on('close', () => process.exit())
socket.on('error', ({ message }) => console.error(message))
