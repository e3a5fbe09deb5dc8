/** Whether the brokers can be used: their versions, the login that they want, and ours. Asked once, at the start. */
import { BusRefused, BusUnavailable } from '../../schemas/bus.js'
import { type BusSettings, createClient } from './client.js'
import { type Ask, firstAnswering, shortText } from './first-words.js'
import { within } from './patience.js'
import { createSockets } from './socket.js'
import { askVersions, incompatibleRequests } from './versions.js'

const saslHandshakeKey = 17
/** What brokers answer to a handshake where they offer other mechanisms, and where they want no login at all. */
const [unsupportedMechanism, wantsNoLogin] = [33, 34]

/** What the listener makes of this mechanism; it may be none that there is. */
async function offerLogin(ask: Ask, mechanism: string): Promise<{ error: number; offered: string[] }> {
  const answer = await ask(saslHandshakeKey, 1, shortText(mechanism))
  const offered: string[] = []
  let at = 6
  for (let left = answer.readInt32BE(2); left > 0; left--) {
    const end = at + 2 + answer.readInt16BE(at)
    offered.push(answer.toString('utf8', at + 2, end))
    at = end
  }
  return { error: answer.readInt16BE(0), offered }
}

/** @throws BusRefused where the listener wants another login than we have */
async function checkMechanism(ask: Ask, { sasl }: BusSettings): Promise<void> {
  const mechanism = sasl?.mechanism.toUpperCase()
  const { error, offered } = await offerLogin(ask, mechanism ?? 'NONE')
  const ways = offered.join(', ').toLowerCase()
  if (mechanism === undefined && error === unsupportedMechanism)
    throw new BusRefused(
      `it wants a login (${ways})`,
      'set KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD',
    )
  if (mechanism !== undefined && error === wantsNoLogin)
    throw new BusRefused(
      'that listener takes no login',
      'unset KAFKA_SASL_MECHANISM, or name the listener with SASL in KAFKA_BROKERS',
    )
  if (mechanism !== undefined && error === unsupportedMechanism)
    throw new BusRefused(
      `it offers no ${mechanism} but ${ways}`,
      'set KAFKA_SASL_MECHANISM to one of those, or let the broker offer it',
    )
}

/** @throws BusRefused where name and password are wrong */
async function logIn(settings: BusSettings, timeout_ms: number): Promise<void> {
  if (settings.sasl === undefined) return
  const sockets = createSockets({ connect: settings.connect })
  const admin = createClient(settings, sockets, timeout_ms).admin()
  try {
    await within(timeout_ms, admin.connect())
  } catch (error) {
    const { name, message } = error as Error
    if (name !== 'KafkaJSSASLAuthenticationError')
      throw new BusUnavailable(`no login to the brokers: ${message}`, { cause: error })
    throw new BusRefused(
      `the brokers do not let user ${(settings.sasl as { username?: string }).username} in (${message})`,
      'are KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM right?',
      { cause: error },
    )
  } finally {
    sockets.destroy()
  }
}

/**
 * Resolves when one of the brokers can be used.
 * @throws BusUnavailable when none answers in time
 * @throws BusRefused where one answers and waiting helps nothing: versions, certificates, login
 */
export async function seekAdmission(settings: BusSettings, timeout_ms: number): Promise<void> {
  await firstAnswering(settings, timeout_ms, async (ask) => {
    const faults = incompatibleRequests(await askVersions(ask))
    if (faults.length > 0)
      throw new BusRefused(
        `this broker's version cannot be used (${faults.join('; ')})`,
        'Kafka 2.3 or newer is needed',
      )
    await checkMechanism(ask, settings)
  })
  await logIn(settings, timeout_ms)
}
