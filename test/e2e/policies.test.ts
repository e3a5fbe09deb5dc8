/** LOGIN_POLICY: which devices of one user stay online together (spec 2, "Login, presence, kick" 5). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { createCrowd } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { startSystem } from '../helpers/system.js'

const { CIMKickReason } = CIM.Def
const {
  kCIM_CLIENT_TYPE_ANDROID: android,
  kCIM_CLIENT_TYPE_IOS: ios,
  kCIM_CLIENT_TYPE_WEB: web,
  kCIM_CLIENT_TYPE_PC_WINDOWS: windows,
  kCIM_CLIENT_TYPE_MAC_OS: mac,
} = CIM.Def.CIMClientType

/** A system of these roles alone starts sooner, and there is one for each policy. */
const rolesOfLogin = ['gateway', 'login', 'users', 'presence']

/** A login, and which of those before it (by position) it ends. */
type Step = readonly [client_type: number, device_id: string, ends: readonly number[]]

const policies: Record<string, Step[]> = {
  'one-per-type': [
    [ios, 'a', []],
    [android, 'b', []],
    [web, 'c', []],
    [ios, 'd', [0]],
    [windows, 'e', []],
    [mac, 'f', []],
    [web, 'g', [2]],
  ],
  'one-per-class': [
    [ios, 'a', []],
    [windows, 'b', []],
    [web, 'c', []],
    [android, 'd', [0]],
    [mac, 'e', [1]],
    [web, 'f', [2]],
  ],
  single: [
    [ios, 'a', []],
    [web, 'b', [0]],
    [windows, 'c', [1]],
  ],
  unlimited: [
    [ios, 'a', []],
    [ios, 'b', []],
    [web, 'a', []],
    [ios, 'a', [0]],
  ],
}

for (const [policy, steps] of Object.entries(policies))
  test(`${policy}: a login ends those that it replaces, and no other`, async () => {
    const system = await startSystem({ roles: [rolesOfLogin], env: { LOGIN_POLICY: policy } })
    const crowd = createCrowd(system)
    try {
      const user = await crowd.newUser()
      const devices: Device[] = []
      const present = new Set<number>()
      for (const [at, [client_type, device_id, ends]] of steps.entries()) {
        devices.push(await crowd.online(user, { client_type, device_id, over: at % 2 ? 'ws' : 'tcp' }))
        present.add(at)
        for (const ended of ends) {
          const { body } = await devices[ended]!.next('KICK_NOTIFY')
          assert.equal(body.reason, CIMKickReason.kCIM_KICK_REASON_SAME_DEVICE_LOGIN)
          await devices[ended]!.closed()
          present.delete(ended)
        }
        for (const each of present) await devices[each]!.settle()
        const { body } = await system.api.get(`/v1/users/${user.user_id}/devices`)
        assert.equal(body.devices.length, present.size)
      }
    } finally {
      crowd.leave()
      await system.stop()
    }
  })
