/** Generated from the .proto files beside this one: CIM is what clients and gateways say, coffeechat.event what our parts say. */
export { businessProto } from './gen/business.js'
export { CIM, coffeechat } from './gen/cim.js'
