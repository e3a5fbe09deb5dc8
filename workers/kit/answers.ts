/** What workers answer: packets for the connection, or the HTTP request, that asked. */
import { type CIM, coffeechat } from '../../proto/index.js'
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import { type EmitOf, emit } from './worker.js'

import event = coffeechat.event

type ToGate = EmitOf<typeof topics.gateOutbound>

/** A command of schemas/packets and what its body is written from. */
export interface Writable<Body> {
  readonly id: number
  readonly type: { encode(message: Body): { finish(): Uint8Array } }
}

/** The target that an origin waits at: the same connection and login, with the request's seq_num. */
export const targetOf = (origin: event.IOrigin): event.ITarget => ({
  gate_epoch: origin.gate_epoch,
  connection_id: origin.connection_id,
  login_number: origin.login_number,
  seq_num: origin.seq_num,
})

/** Answers a request with a packet. */
export const answer = <Body>(
  origin: event.IOrigin,
  command: Writable<Body>,
  body: Body,
  more: Partial<event.IOutboundPacket> = {},
): ToGate =>
  emit(
    topics.gateOutbound,
    {
      packet: [
        {
          target: [targetOf(origin)],
          command_id: command.id,
          body: command.type.encode(body).finish(),
          ...more,
        },
      ],
    },
    origin.gate_id,
  )

/** Answers a request that could not be served: ERROR_NOTIFY with the request's command and seq_num. */
export const errorNotify = (
  origin: event.IOrigin,
  command: Writable<never>,
  result_code: CIM.Def.CIMErrorCode,
  result_string: string,
): ToGate =>
  answer(origin, commands.ERROR_NOTIFY, {
    command_id: command.id,
    seq_num: origin.seq_num,
    result_code,
    result_string,
  })

/** Answers an app server's call with a status and JSON. */
export const httpAnswer = (origin: event.IOrigin, http_status: number, body: unknown): ToGate =>
  emit(
    topics.gateOutbound,
    { packet: [{ target: [targetOf(origin)], http_status, body: Buffer.from(JSON.stringify(body)) }] },
    origin.gate_id,
  )
