/** Receivers that a push names, and members of the group that it is for (spec 3, "For businesses"). */
import { topics } from '../schemas/topics.js'
import { pushDelivery } from './kit/push-delivery.js'

export const pushFanout = pushDelivery('push-fanout', topics.pushFanout, { toEveryone: false })
