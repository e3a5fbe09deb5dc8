/** Every worker by its role. A new worker is one file, its ports, its test file, and one line here. */
import { ackTracker } from './ack-tracker.worker.js'
import { contacts } from './contacts.worker.js'
import { delivery } from './delivery.worker.js'
import { deliveryCheck5s, deliveryCheck15s, deliveryCheck60s } from './delivery-check.worker.js'
import { deliveryMissed } from './delivery-missed.worker.js'
import { files } from './files.worker.js'
import { groupFanout } from './group-fanout.worker.js'
import { groups } from './groups.worker.js'
import { type Frame, type RunningWorker, runWorker } from './kit/runner.js'
import type { AnyWorker, WorkerDefinition } from './kit/worker.js'
import { login } from './login.worker.js'
import { messageStore } from './message-store.worker.js'
import { offlinePush, offlinePush10s, offlinePush60s, offlinePush600s } from './offline-push.worker.js'
import { org } from './org.worker.js'
import { pushBroadcast } from './push-broadcast.worker.js'
import { pushCheck5s, pushCheck15s } from './push-check.worker.js'
import { pushFanout } from './push-fanout.worker.js'
import { pushLogin } from './push-login.worker.js'
import { pushStatus } from './push-status.worker.js'
import { pushTracker } from './push-tracker.worker.js'
import { queries } from './queries.worker.js'
import { readMarker } from './read-marker.worker.js'
import { robots, robots5s, robots30s, robots120s } from './robots.worker.js'
import { s2cPush } from './s2c-push.worker.js'
import { sessionSettings } from './session-settings.worker.js'
import { users } from './users.worker.js'
import { webhookContacts } from './webhook-contacts.worker.js'
import { webhookMessages } from './webhook-messages.worker.js'
import { webhookPresence } from './webhook-presence.worker.js'
import { webhookReceipts } from './webhook-receipts.worker.js'
import { webhookRetries10s, webhookRetries60s, webhookRetries600s } from './webhook-retries.worker.js'

export const workerRoles = {
  'message-store': [messageStore],
  'group-fanout': [groupFanout],
  delivery: [delivery],
  'ack-tracker': [ackTracker],
  'delivery-check': [deliveryCheck5s, deliveryCheck15s, deliveryCheck60s],
  'delivery-missed': [deliveryMissed],
  'offline-push': [offlinePush, offlinePush10s, offlinePush60s, offlinePush600s],
  login: [login],
  queries: [queries],
  'read-marker': [readMarker],
  'session-settings': [sessionSettings],
  users: [users],
  groups: [groups],
  files: [files],
  robots: [robots, robots5s, robots30s, robots120s],
  contacts: [contacts],
  org: [org],
  's2c-push': [
    s2cPush,
    pushFanout,
    pushBroadcast,
    pushTracker,
    pushCheck5s,
    pushCheck15s,
    pushLogin,
    pushStatus,
  ],
  webhooks: [
    webhookMessages,
    webhookPresence,
    webhookReceipts,
    webhookContacts,
    webhookRetries10s,
    webhookRetries60s,
    webhookRetries600s,
  ],
} as const satisfies Record<string, readonly AnyWorker[]>

export type WorkerRole = keyof typeof workerRoles

/** Every worker, whatever its role. */
export const allWorkers: readonly AnyWorker[] = Object.values(workerRoles).flat()

type PortsOf<W> =
  W extends WorkerDefinition<
    infer _Consumed,
    infer _Produced,
    infer Ports,
    infer _Loaded,
    infer _Row,
    infer _Saved
  >
    ? Ports
    : never
type Intersection<U> = (U extends unknown ? (of: U) => void : never) extends (of: infer I) => void ? I : never

/** What all workers together need: each takes its own part. */
export type WorkerPorts = Intersection<PortsOf<(typeof workerRoles)[WorkerRole][number]>>

export const isWorkerRole = (role: string): role is WorkerRole => role in workerRoles

/** Starts the workers of these roles; each joins its own consumer group. */
export async function startWorkers(
  roles: readonly WorkerRole[],
  ports: WorkerPorts,
  frame: Frame,
): Promise<readonly RunningWorker[]> {
  const workers = roles.flatMap((role): readonly AnyWorker[] => workerRoles[role])
  return Promise.all(workers.map((worker) => runWorker(worker, ports, frame)))
}
