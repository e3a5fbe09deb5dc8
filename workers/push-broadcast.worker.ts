/** A push to everyone online, part by part at a limited pace, beside the pushes that name their receivers. */
import { topics } from '../schemas/topics.js'
import { pushDelivery } from './kit/push-delivery.js'

export const pushBroadcast = pushDelivery('push-broadcast', topics.pushBroadcast, { toEveryone: true })
