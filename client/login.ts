/** A connection that logs in as soon as it is open. */
import type { Packet } from './frame.js'
import type { CIMAuthTokenReq, CIMAuthTokenRsp } from './gen/protocol.js'
import { type Link, openLink } from './link.js'
import type { OpenTransport } from './transport.js'

interface LoginOptions {
  readonly open: OpenTransport
  readonly heartbeat_ms: number
  readonly answerWithin_ms: number
}

interface LoginEvents {
  /** False: whoever opened it has given it up, and hears nothing of it any more. */
  isCurrent(link: Link): boolean
  /** Accepted or refused. */
  onAnswer(link: Link, answer: CIMAuthTokenRsp): void
  onPacket(link: Link, packet: Packet): void
  onClose(reason: string): void
}

/** Begins to connect; closes itself where there is no answer to the login in time. */
export function openWithLogin(
  options: LoginOptions,
  address: string,
  request: CIMAuthTokenReq,
  { isCurrent, onAnswer, onPacket, onClose }: LoginEvents,
): Link {
  const notOpen = setTimeout(() => link.close('no connection in time'), options.answerWithin_ms)
  const link = openLink({
    ...options,
    address,
    onOpen(opened) {
      clearTimeout(notOpen)
      opened.ask('AUTH_TOKEN', request).then(
        (answer) => {
          if (isCurrent(opened)) onAnswer(opened, answer)
        },
        (error: Error) => opened.close(error.message),
      )
    },
    onPacket(packet) {
      if (isCurrent(link)) onPacket(link, packet)
    },
    onClose(reason) {
      clearTimeout(notOpen)
      if (isCurrent(link)) onClose(reason)
    },
  })
  return link
}
