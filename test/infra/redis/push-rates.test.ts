import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { createPushRates } from '../../../infra/redis/push-rates.js'
import { freshRedis } from '../../helpers/redis.js'

const { redis, keys, forgetAll } = freshRedis()
beforeEach(forgetAll)

test('each device is shown so many in a minute, whatever its user or others are shown elsewhere', async () => {
  const rates = createPushRates({ redis, keys, perMinute: 2 })
  const phone = { user_id: 1, device: { client_type: 2 } }
  const tablet = { user_id: 1, device: { client_type: 2, device_id: 'tablet' } }
  const another = { user_id: 2, device: { client_type: 2 } }
  assert.deepEqual(await rates.take([phone, phone, phone, tablet]), [true, true, false, true])
  assert.deepEqual(await rates.take([another, phone, tablet, tablet]), [true, false, true, false])
  const left_ms = await redis.pttl(keys.pushRate(1, '2'))
  assert.ok(left_ms > 0 && left_ms <= 60_000)
})
