/** What holds for a whole system after a master of its Redis was killed, whoever chose the next one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { redisKeys } from '../../infra/redis/keys.js'
import { createAuthority } from './certificate.js'
import type { Correspondence } from './correspondence.js'
import type { RedisCertificates } from './redis-servers.js'
import { rowsOf } from './rows.js'
import type { System } from './system.js'
import { until } from './until.js'

export const recovery_ms = 60_000

/** Of a system whose Redis is killed: much at once, and little waiting. */
export const failOverSettings = {
  ACK_FLUSH_CRON: '*/4 * * * * *',
  RATE_LIMIT_PACKETS: '1000',
  DELIVERY_CHECK_DELAYS_MS: '3000,6000,12000',
}

/** Certificates of servers at 127.0.0.1, and of clients, in a folder of their own. */
export function redisCertificates(): {
  readonly servers: RedisCertificates
  /** The settings of a process that uses them. */
  readonly settings: NodeJS.ProcessEnv
  remove(): void
} {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-redis-tls-'))
  const write = (name: string, content: Buffer): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const authority = createAuthority('authority of the tests')
  const ca = write('ca.pem', authority.cert)
  const pair = (name: string, hosts: readonly string[]) => {
    const { cert, key } = authority.issue(name, hosts)
    return { cert: write(`${name}.pem`, cert), key: write(`${name}-key.pem`, key) }
  }
  const ours = pair('coffeechat', [])
  return {
    servers: { ca, ...pair('redis', ['127.0.0.1']) },
    settings: { REDIS_TLS_CA: ca, REDIS_TLS_CERT: ours.cert, REDIS_TLS_KEY: ours.key },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/**
 * Resolves when everything that was written has arrived, and Redis knows where every writer is.
 * @param masterOf the server that has this key now
 */
export async function settled(
  { prefix }: System,
  correspondence: Correspondence,
  masterOf: (key: string) => Promise<{ readonly redis: Redis } | undefined>,
): Promise<void> {
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)
  const names = correspondence.writers.map(({ user_id }) => redisKeys(prefix).presence(user_id))
  const everyoneIsPresent = async () => {
    const owners = await Promise.all(names.map(masterOf))
    const known = await Promise.all(names.map((name, at) => owners[at]?.redis.exists(name) ?? 0))
    return known.every((count) => count === 1)
  }
  await until('everyone is present', everyoneIsPresent, recovery_ms)
}

/** Resolves when every message that a device has acked is marked as delivered. */
export async function acksStored({ databaseUrl }: System): Promise<void> {
  const text = 'SELECT client_msg_id FROM im_message_recv WHERE delivered = 0'
  const isDone = async () => (await rowsOf(databaseUrl, text)).length === 0
  await until('every ack is in PostgreSQL', isDone, recovery_ms)
}
