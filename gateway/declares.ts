/** What the gate writes and reads on the bus: for the topology test and the dataflow picture. */
import { topics } from '../schemas/topics.js'

export const gatewayProduces = [
  topics.requestLogin,
  topics.requestQuery,
  topics.requestRead,
  topics.requestSession,
  topics.requestUser,
  topics.requestGroup,
  topics.requestFile,
  topics.requestContact,
  topics.requestOrg,
  topics.messageSubmitted,
  topics.deliveryAcked,
  topics.deliveryMissed,
  topics.presenceChanged,
  topics.pushRequested,
  topics.pushReached,
  topics.requestPush,
  topics.reportSubmitted,
] as const

export const gatewayConsumes = [topics.gateOutbound] as const
