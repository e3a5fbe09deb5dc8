/** A push to everyone online, which gates write by themselves: its receivers are written down, and the first check is set. */
import { topics } from '../schemas/topics.js'
import { pushDelivery } from './kit/push-delivery.js'

export const pushBroadcast = pushDelivery('push-broadcast', topics.pushBroadcast, { toEveryone: true })
