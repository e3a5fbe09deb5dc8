/** The end of a gate (spec 2, "Stopping and starting"): clients are sent elsewhere, what is in flight is answered. */
import type { Clients } from './clients.js'
import type { Connection } from './connection.js'
import type { Gate } from './gate.js'
import type { GateAddresses, GateDirectory } from './ports.js'

const look_ms = 20
/** How long clients may take to close their side at the end. */
const goodbye_ms = 1_000

const until = async (isDone: () => boolean, timeout_ms: number, now: () => number): Promise<void> => {
  const end = now() + timeout_ms
  while (!isDone() && now() < end) await new Promise((resolve) => setTimeout(resolve, look_ms))
}

/** Where else a TCP client may go. Not knowing is no reason not to stop. */
const elsewhere = async (directory: GateDirectory, own: GateAddresses): Promise<string[]> => {
  const live = await directory.live().catch(() => [])
  return live.flatMap(({ tcp }) => (tcp === undefined || tcp === own.tcp ? [] : [tcp]))
}

/** Tells every device when to reconnect, spread over DRAIN_MS, and goes on serving for that time. */
export async function sendAway(
  gate: Gate,
  clients: Clients,
  directory: GateDirectory,
  own: GateAddresses,
): Promise<void> {
  const { DRAIN_MS } = gate.config
  const address = await elsewhere(directory, own)
  const told = new Set<Connection>()
  const tell = (connection: Connection, delay_ms: number): void => {
    told.add(connection)
    gate.writer.packet(connection, 'RECONNECT_NOTIFY', undefined, { delay_ms, address })
  }
  const untold = () => [...clients.all()].filter((each) => each.state === 'online' && !told.has(each))
  const online = untold()
  online.forEach((connection, at) => {
    tell(connection, Math.floor((DRAIN_MS * at) / online.length))
  })
  const everyoneLeft = (): boolean => {
    // Whose login was under way.
    for (const connection of untold()) tell(connection, 0)
    return clients.count() === 0
  }
  await until(everyoneLeft, DRAIN_MS, gate.now)
}

/** Takes no more packets, waits for the answers that are still due, and closes. */
export async function sayGoodbye(gate: Gate, clients: Clients): Promise<void> {
  for (const { transport } of clients.all()) transport.pause()
  await until(() => gate.pending.size() === 0, gate.config.MESSAGE_ACK_TIMEOUT_MS, gate.now)
  for (const connection of clients.all()) gate.close(connection, 'draining')
  for (const { transport } of clients.all()) transport.resume()
  await until(() => clients.count() === 0, goodbye_ms, gate.now)
  for (const { transport } of clients.all()) transport.destroy()
}
