// A whole client in forty lines, over WebSocket and with nothing of the server but its .proto files:
//   node docs/example-client.mjs USER_ID TOKEN [PEER_ID TEXT]
// logs in, sends TEXT to PEER_ID where they are given, then prints and acks what it gets. Ctrl-C ends it.
import { randomUUID } from 'node:crypto'
import protobuf from 'protobufjs'
import WebSocket from 'ws'

const [userId, token, peerId, text] = process.argv.slice(2)
const url = process.env.CIM_URL ?? 'ws://127.0.0.1:8080/ws'
const proto = new protobuf.Root().loadSync(
  ['Login', 'Message'].map((name) => `proto/CIM.${name}.proto`),
  { keepCase: true },
)
const bodies = {
  257: 'CIM.Login.CIMAuthTokenReq',
  258: 'CIM.Login.CIMAuthTokenRsp',
  261: 'CIM.Login.CIMHeartBeat',
  769: 'CIM.Message.IMMsgData',
  770: 'CIM.Message.IMMsgDataAck',
}
const socket = new WebSocket(url)
let seq = 0

function send(command, fields) {
  const body = proto.lookupType(bodies[command]).encode(fields).finish()
  const header = Buffer.alloc(16)
  header.writeUInt32BE(16 + body.length, 0)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(command, 10)
  header.writeUInt16BE(++seq, 12)
  socket.send(Buffer.concat([header, body]))
}

function received(command, bytes) {
  const type = bodies[command] && proto.lookupType(bodies[command])
  const body = type?.toObject(type.decode(bytes), { longs: Number })
  if (command === 0x0102) {
    console.log(`login: result_code ${body.result_code}`)
    if (text !== undefined) sendText()
  } else if (command === 0x0301) {
    console.log(`${body.from_user_id}, number ${body.server_msg_id}: ${body.msg_data}`)
    const { from_user_id, to_session_id, msg_id } = body
    send(0x0302, { from_user_id, to_session_id, msg_id, res_code: 0, session_type: 1 })
  } else if (command === 0x0302) {
    console.log(`stored as number ${body.server_msg_id} (res_code ${body.res_code})`)
  } else if (command !== 0x0105) console.log(`command 0x${command.toString(16).padStart(4, '0')}`)
}

const sendText = () =>
  send(0x0301, {
    from_user_id: Number(userId),
    to_session_id: Number(peerId),
    msg_id: randomUUID(),
    create_time: Date.now(),
    msg_type: 1,
    msg_data: Buffer.from(text),
  })

socket.on('open', () => {
  send(0x0101, { user_id: Number(userId), nick_name: '', user_token: token, client_type: 3 })
  setInterval(() => send(0x0105, {}), 30_000)
})
socket.on('message', (message) => {
  for (let at = 0; at < message.length; ) {
    const length = message.readUInt32BE(at)
    received(message.readUInt16BE(at + 10), message.subarray(at + 16, at + length))
    at += length
  }
})
socket.on('close', () => process.exit())
socket.on('error', ({ message }) => console.error(message))
