/** Generated from the .proto files beside this one: CIM is what clients and gateways say, coffeechat.event what our parts say. */
import protobuf from 'protobufjs/minimal.js'

export { businessProto } from './gen/business.js'
export { CIM, coffeechat } from './gen/cim.js'

/**
 * A reader of what another part of ours wrote, perhaps of a newer release: fields that this release does not know stay
 * in the message, so that they are there when it is passed on. (Those of clients are dropped, as protobufjs does.)
 */
export function readingWhole(bytes: Uint8Array): protobuf.Reader {
  const reader = protobuf.Reader.create(bytes)
  reader.discardUnknown = false
  return reader
}
