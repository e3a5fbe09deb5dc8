/** A gate in this process, with its ports in memory, and the workers' side in the hands of the test. */
import { startGateway } from '../../gateway/main.js'
import type {
  Certificate,
  DevicePresence,
  GateLease,
  PageFiles,
  RegisteredLogin,
  ReportLedger,
} from '../../gateway/ports.js'
import { createFolderStore } from '../../infra/files/folder.js'
import { CIM, coffeechat } from '../../proto/index.js'
import { readConfig } from '../../schemas/config.js'
import { type CommandName, commands, type WritableBodyOf } from '../../schemas/packets.js'
import { type AnyTopic, type EventOf, eventsIn, fullName, recordOf, topics } from '../../schemas/topics.js'
import { noTracer } from '../../schemas/tracer.js'
import { silentLog } from './log.js'
import { createMemoryBus, type MemoryBus } from './memory-bus.js'

import event = coffeechat.event

const prefix = 'im.'
const identity = { gate_id: 'gate-1', gate_epoch: 1_700_000_000_000 }

type Answer = 'held' | 'restored' | 'fenced'

const ports = { TCP_PORT: '0', HTTP_PORT: '0', DRAIN_MS: '0', API_KEY: 'key' }
const reportLedger: ReportLedger = { isPublished: async () => false, published: async () => {} }

export interface TestGate {
  readonly tcp: number
  readonly http: number
  readonly bus: MemoryBus
  readonly identity: typeof identity
  readonly presence: { readonly removed: RegisteredLogin[]; readonly registered: RegisteredLogin[] }
  /** What the next renewals of the lease meet; an Error: Redis is away. */
  lease(answer: Answer | Error): void
  /** Whose registration is refused from now on. */
  refuseRegistration(user_id: number): void
  /** Resolves with the events of a topic once there are `count`. */
  events<T extends AnyTopic>(topic: T, count?: number): Promise<EventOf<T>[]>
  /** Publishes a packet to a connection, as a worker does. */
  send<Name extends CommandName>(
    to: event.ITarget,
    name: Name,
    body: WritableBodyOf<Name>,
    packet?: Partial<event.IOutboundPacket>,
  ): Promise<void>
  readonly gateway: Awaited<ReturnType<typeof startGateway>>
  isFenced(): boolean
  stop(): Promise<void>
}

/** Resolves when `probe` returns something; rejects after five seconds. */
export async function eventually<Value>(
  probe: () => Value | undefined | false,
  what: string,
): Promise<Value> {
  const end = performance.now() + 5_000
  for (;;) {
    const value = probe()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) throw new Error(`not within 5 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** What no test of the wire asks for. */
const unasked = {
  tracer: noTracer,
  files: {
    store: createFolderStore('/nowhere'),
    thumbnails: { of: async () => undefined },
    signer: { sign: () => '', verify: () => false },
  },
  neededRoles: [],
  exposition: async () => '',
}

/**
 * A gate with these settings changed. Logins with the token `good` are accepted, those with `silent` never answered,
 * others refused; the rest of the workers' part is the test's.
 */
export async function startTestGate(
  settings: NodeJS.ProcessEnv = {},
  { certificate, chatFiles }: { certificate?: Certificate; chatFiles?: PageFiles } = {},
): Promise<TestGate> {
  const bus = createMemoryBus()
  const producer = await bus.producer('workers')
  const removed: RegisteredLogin[] = []
  const registered: RegisteredLogin[] = []
  const refused = new Set<number>()
  let leaseAnswer: Answer | Error = 'restored'
  let fenced = false

  const send: TestGate['send'] = (to, name, body, packet = {}) => {
    const outbound: event.IOutboundPacket = {
      target: [to],
      command_id: commands[name].id,
      body: commands[name].type.encode(body as never).finish(),
      ...packet,
    }
    return producer.publish([
      recordOf({ prefix }, topics.gateOutbound, { packet: [outbound] }, identity.gate_id),
    ])
  }
  await answerLogins(bus, send)

  const lease: GateLease = {
    async renew() {
      if (leaseAnswer instanceof Error) throw leaseAnswer
      const answer = leaseAnswer
      if (answer === 'restored') leaseAnswer = 'held'
      return answer
    },
    release: async () => {},
  }
  const presence: DevicePresence = {
    async register(logins) {
      registered.push(...logins)
      return logins.map(({ user_id }) => (refused.has(user_id) ? false : 'kept'))
    },
    remove: async (logins) => logins.map((login) => removed.push(login) > 0),
    announced: async () => {},
  }
  const gateway = await startGateway({
    config: readConfig({ ...ports, ...settings }),
    identity,
    bus,
    lease,
    presence,
    reportLedger,
    directory: { live: async () => [] },
    health: { check: async () => ({ roles: [], database: true }) },
    tokens: { sign: () => '', verify: () => undefined },
    certificate,
    chatFiles,
    ...unasked,
    metrics: { count() {}, observe() {}, gauge() {} },
    log: silentLog,
    onFenced: () => {
      fenced = true
    },
  })

  return {
    tcp: gateway.ports.tcp,
    http: gateway.ports.http,
    bus,
    identity,
    presence: { removed, registered },
    lease: (answer) => {
      leaseAnswer = answer
    },
    refuseRegistration: (user_id) => void refused.add(user_id),
    events: (topic, count = 1) =>
      eventually(() => {
        const records = bus.recordsOf(fullName(prefix, topic))
        const events = records
          .flatMap(({ value }) => eventsIn(topic, value))
          .map((bytes) => topic.decode(bytes))
        return events.length >= count && events
      }, `${count} events of ${topic.name}`),
    send,
    gateway,
    isFenced: () => fenced,
    stop: () => gateway.stop(),
  }
}

async function answerLogins(bus: MemoryBus, send: TestGate['send']): Promise<void> {
  await bus.consumer({
    group: 'login',
    topics: [fullName(prefix, topics.requestLogin)],
    onBatch: async ({ records }) => {
      for (const record of records) {
        const { origin, login } = topics.requestLogin.decode(record.value)
        if (!login || login.user_token === 'silent') continue
        const login_number = record.offset + 1
        const accepted = {
          login_number,
          user_id: login.user_id,
          device: origin.device,
          nick_name: login.nick_name,
        }
        const isGood = login.user_token === 'good'
        const result_code = isGood
          ? CIM.Def.CIMErrorCode.kCIM_ERR_SUCCSSE
          : CIM.Def.CIMErrorCode.kCIM_ERR_LOGIN_INVALID_USER_TOKEN
        await send(
          { ...targetOf(origin), ...(isGood ? { accepted } : {}) },
          'AUTH_TOKEN_RSP',
          { server_time: 1, result_code },
          isGood ? {} : { close: true },
        )
      }
    },
  })
}

/** Where the answer to a request goes. */
export const targetOf = ({
  gate_epoch,
  connection_id,
  login_number,
  seq_num,
}: event.IOrigin): event.ITarget => ({
  gate_epoch,
  connection_id,
  login_number,
  seq_num,
})
