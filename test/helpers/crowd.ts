/** Users of a running system and their devices: registered, online, and gone when the tests are over. */
import assert from 'node:assert/strict'
import { CIM } from '../../proto/index.js'
import { connectDevice, connectWsDevice, type Device, type LoginOptions } from './device.js'
import type { RunningGateway, System } from './system.js'
import { conditionHolds } from './wait.js'

export type Transport = 'tcp' | 'ws'

export interface User {
  readonly user_id: number
  readonly token: string
}

interface Presence extends LoginOptions {
  readonly over?: Transport
  /** The first one where it is not given. */
  readonly gateway?: RunningGateway
}

export interface Crowd {
  /** A user who did not exist before; with this id where it is given. */
  newUser(user_id?: number): Promise<User>
  /** A connection that has not logged in. */
  stranger(presence?: Presence): Promise<Device>
  /** A device of the user, logged in. */
  online(user: User, presence?: Presence): Promise<Device>
  /** An iPhone of the user that was online, can be notified by `vendor`, and is away. */
  away(user: User): Promise<void>
  /** Two new users and a device of each. */
  pair(mine?: Presence, theirs?: Presence): Promise<{ ada: User; bo: User; adas: Device; bos: Device }>
  /** Cuts every connection. */
  leave(): void
}

const firstUserId = 100_001
const ios = CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_IOS

export function createCrowd(system: System): Crowd {
  const devices: Device[] = []
  let nextUserId = firstUserId

  const stranger: Crowd['stranger'] = async ({ over = 'tcp', gateway = system.gateways[0]! } = {}) => {
    const device = await (over === 'tcp' ? connectDevice(gateway.tcp) : connectWsDevice(gateway.http))
    devices.push(device)
    return device
  }
  const newUser: Crowd['newUser'] = async (user_id = nextUserId++) => ({
    user_id,
    token: await system.api.register(user_id),
  })
  const online: Crowd['online'] = async ({ user_id, token }, presence = {}) => {
    const { over, gateway, ...login } = presence
    const device = await stranger(presence)
    const { result_code, result_string } = await device.login(user_id, token, login)
    assert.equal(result_code, 0, result_string ?? '')
    return device
  }
  const away: Crowd['away'] = async (user) => {
    const device = await online(user, { client_type: ios })
    const phone = { client_type: ios, provider: 'vendor', token: `phone-of-${user.user_id}` }
    await system.api.call('PUT', `/v1/users/${user.user_id}/push-tokens`, phone)
    device.cut()
    await conditionHolds('the phone is offline', async () => {
      const { body } = await system.api.call('GET', `/v1/users/${user.user_id}/devices`)
      return body.devices.length === 0
    })
  }
  return {
    newUser,
    stranger,
    online,
    away,
    async pair(mine, theirs) {
      const [ada, bo] = [await newUser(), await newUser()]
      return { ada, bo, adas: await online(ada, mine), bos: await online(bo, theirs) }
    },
    leave() {
      for (const device of devices) device.cut()
    },
  }
}
