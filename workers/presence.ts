/**
 * The role `presence`: gates whose lease ended take their devices offline (spec 2, "Login, presence, kick" 4), and
 * topics of gates that are long gone are deleted ("Stopping and starting"). A sweep by cron, not a consumer; any
 * number of processes may run it at once.
 */
import type { Bus, Producer } from '../schemas/bus.js'
import type { Logger } from '../schemas/log.js'
import { fullName, type RecordStyle, recordOf, topics } from '../schemas/topics.js'
import { presenceChange } from './kit/presence-events.js'
import type { EndedGates, GateStart, Locks, PresentDevice } from './ports/presence.js'

/** What this role publishes, for the picture of all topics. */
export const presenceProduces = [topics.presenceChanged] as const

const everySecond = '* * * * * *'
const everyHour = '0 17 * * * *'
const devicesPerStep = 500
const topicKept_ms = 24 * 3_600_000
const deletionLimit_ms = 60_000

export interface PresenceSweepSettings extends RecordStyle {
  readonly ended: EndedGates
  readonly locks: Locks
  readonly bus: Pick<Bus, 'listTopics' | 'deleteTopics' | 'producer'>
  /** ms */
  readonly lease_ms: number
  /** Runs `job` by a cron expression; answers how to stop it. */
  readonly schedule: (cron: string, job: () => Promise<void>) => () => void
  readonly log: Logger
}

export interface PresenceSweep {
  /** The latest sweep reached Redis and the bus. */
  isReady(): boolean
  /** Finishes the step in hand. */
  stop(): Promise<void>
}

/** Starts both jobs; the first sweep is in the first second. */
export async function startPresenceSweep(settings: PresenceSweepSettings): Promise<PresenceSweep> {
  const { schedule, bus, log } = settings
  const producer = await bus.producer('presence')
  const sweep = createSweep(settings, producer)
  let ready = false
  let running: Promise<void> | undefined

  const stopSweep = schedule(everySecond, async () => {
    if (running) return
    running = sweep().then(
      () => {
        ready = true
      },
      (error: unknown) => {
        if (ready) log.warn({ err: error }, 'the presence sweep failed')
        ready = false
      },
    )
    await running
    running = undefined
  })
  const stopDeletion = schedule(everyHour, () =>
    deleteGateTopics(settings).catch((error: unknown) =>
      log.warn({ err: error }, 'topics of gates that are gone were not deleted'),
    ),
  )

  return {
    isReady: () => ready,
    async stop() {
      stopSweep()
      stopDeletion()
      await running
      await producer.close()
    },
  }
}

/** Devices that were taken offline, and what is to be said of them. */
interface Unpublished {
  readonly gate: GateStart
  readonly devices: readonly Pick<PresentDevice, 'user_id' | 'device'>[]
  readonly changes: readonly ReturnType<typeof presenceChange>[]
}

/**
 * One sweep, to be called again and again: it remembers when it first saw a lease gone, and the events that the
 * bus did not take.
 */
function createSweep(settings: PresenceSweepSettings, producer: Producer) {
  const { ended, lease_ms, log } = settings
  // A lease that Redis lost comes back with the gate's next renewal: its devices were there all the time.
  const grace_ms = lease_ms / 3 + 1_000
  let firstSeen = new Map<string, number>()
  let unpublished: Unpublished[] = []

  async function publish(): Promise<void> {
    const changes = unpublished.flatMap((each) => each.changes)
    if (changes.length > 0)
      await producer.publish(changes.map((each) => recordOf(settings, topics.presenceChanged, each)))
    const told = unpublished
    unpublished = []
    for (const { gate, devices } of told) await ended.announced(gate, devices)
  }

  async function takeOffline(gate: GateStart): Promise<void> {
    for (let more = true, taken = 0; more; ) {
      const step = await ended.takeOffline(gate, devicesPerStep)
      const time = Date.now()
      const changes = step.removed.map((device) => presenceChange({ ...device, ...gate }, 'offline', time))
      if (changes.length > 0) unpublished.push({ gate, devices: step.removed, changes })
      await publish()
      more = step.more
      taken += step.removed.length
      if (!more && taken > 0) log.info({ ...gate, devices: taken }, 'a gate is gone: its devices are offline')
    }
  }

  return async (): Promise<void> => {
    await publish()
    const now = performance.now()
    const seen = new Map<string, number>()
    const due: GateStart[] = []
    for (const { gate_id, gate_epoch, superseded } of await ended.list()) {
      const name = `${gate_id} ${gate_epoch}`
      const since = firstSeen.get(name) ?? now
      seen.set(name, since)
      if (superseded || now - since >= grace_ms) due.push({ gate_id, gate_epoch })
    }
    firstSeen = seen
    for (const gate of due) await takeOffline(gate)
  }
}

/** Deletes the topics of gates that have had no lease for a day. Exported for its test. */
export async function deleteGateTopics({
  ended,
  locks,
  bus,
  prefix,
  log,
}: Pick<PresenceSweepSettings, 'ended' | 'locks' | 'prefix' | 'log'> & {
  readonly bus: Pick<Bus, 'listTopics' | 'deleteTopics'>
}): Promise<void> {
  const [before = '', after = ''] = fullName(prefix, topics.gateOutbound, '\0').split('\0')
  await locks.once('gate-topics', deletionLimit_ms, async () => {
    const gateIds = (await bus.listTopics())
      .filter((name) => name.startsWith(before) && name.endsWith(after))
      .map((name) => name.slice(before.length, name.length - after.length))
    const gone = await ended.silent(gateIds, topicKept_ms)
    if (gone.length === 0) return
    await bus.deleteTopics(gone.map((id) => fullName(prefix, topics.gateOutbound, id)))
    await ended.forget(gone)
    log.info({ gates: gone }, 'deleted topics of gates that are gone')
  })
}
