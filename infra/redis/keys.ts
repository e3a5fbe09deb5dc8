/**
 * Every key in Redis. All of it can be lost (promise I7): what a key holds is made again by whoever writes it.
 * The part in braces decides the slot of a Redis Cluster: no command and no script of ours names keys of two slots.
 *
 * | key                    | type   | expiry | holds                                              | written by |
 * |------------------------|--------|--------|----------------------------------------------------|------------|
 * | presence:{user}        | string | none ¹ | the logins of a user, one a line (see entry.ts)    | login, gateways, presence |
 * | gate-logins:{gate|epoch} | set  | none ¹ | the logins of one start of a gate until their end is announced (see entry.ts)   | login, gateways, presence |
 * | gate-starts            | zset   | none ¹ | gate|epoch → last heard of (ms)                    | gateways, login |
 * | gates-heard            | zset   | none ² | gate → last renewal of its lease (ms)              | gateways, presence |
 * | lease:{gate}           | hash   | 1 day  | epoch, until (ms), addresses, connections; the epoch outlives the lease, as it fences older starts | gateways |
 * | acks:{p}               | hash   | 1 day  | acks of one partition that wait for the flush → ms | ack-tracker |
 * | acks:{p}:claim         | hash   | 1 day  | token of the tracker that owns it, time it has handled, number of its latest write | ack-tracker |
 * | acks-partitions        | set    | none   | partitions that were ever claimed                  | ack-tracker |
 * | removal:{cause}        | string | 1 h    | a login was, or was about to be, taken offline for this | delivery-missed |
 * | left:{user}|gate|epoch|number | string | 1 h | the entry of a login that its gate removed and is about to announce | gateways |
 * | phones:{user}          | string | 10 min | JSON list of deviceKeys to notify when offline, or who is reading it | delivery, login, users |
 * | push-rate:{user}|device | string | 60 s | notifications of one device in this minute       | offline-push |
 * | workers                | hash   | 10 s   | role|process → ms:database                         | every worker process |
 * | login-failures:user:{user}, login-failures:address:{address} | string | 60 s | wrong tokens | login |
 * | report:{user}:{id}     | string | 1 day  | this report was published                          | gateways |
 * | lock:{name}            | string | its limit | token of the holder                             | presence |
 *
 * ¹ emptied by gateways and by the presence sweep, which takes ended gates offline.
 * ² dropped with the gate's topic.
 */
import type { GateStart } from '../../workers/ports/presence.js'

/** All keys, after the prefix that is also the topics'. */
export const redisKeys = (prefix: string) => ({
  presence: (userId: number) => `${prefix}presence:{${userId}}`,
  gateLogins: (gate: GateStart) => `${prefix}gate-logins:{${gateStartName(gate)}}`,
  gateStarts: `${prefix}gate-starts`,
  gatesHeard: `${prefix}gates-heard`,
  lease: (gateId: string) => `${prefix}lease:{${gateId}}`,
  removal: (cause: string) => `${prefix}removal:{${cause}}`,
  acks: (partition: number) => `${prefix}acks:{${partition}}`,
  acksClaim: (partition: number) => `${prefix}acks:{${partition}}:claim`,
  acksPartitions: `${prefix}acks-partitions`,
  left: ({ user_id, login_number, ...gate }: GateStart & { user_id: number; login_number: number }) =>
    `${prefix}left:{${user_id}}|${gateStartName(gate)}|${login_number}`,
  phones: (userId: number) => `${prefix}phones:{${userId}}`,
  pushRate: (userId: number, device: string) => `${prefix}push-rate:{${userId}}|${device}`,
  workers: `${prefix}workers`,
  failuresOfUser: (userId: number) => `${prefix}login-failures:user:{${userId}}`,
  failuresOfAddress: (address: string) => `${prefix}login-failures:address:{${address}}`,
  report: (userId: string, reportId: string) => `${prefix}report:{${userId}}:${reportId}`,
  lock: (name: string) => `${prefix}lock:{${name}}`,
})

export type RedisKeys = ReturnType<typeof redisKeys>

/** `gate|epoch`: a gate id has no bar in it. */
export const gateStartName = ({ gate_id, gate_epoch }: GateStart): string => `${gate_id}|${gate_epoch}`

/** The reverse of gateStartName. */
export const parseGateStart = (name: string): GateStart => {
  const bar = name.lastIndexOf('|')
  return { gate_id: name.slice(0, bar), gate_epoch: Number(name.slice(bar + 1)) }
}
