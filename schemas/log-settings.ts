/** How much is logged, by all and by single rooms. */
import { z } from 'zod'
import { type LogRoom, logRooms } from './log.js'
import { list, setting } from './setting.js'

const level = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
const room = z.enum(logRooms)

/** `room=level` each. */
const levels = list.transform((items, context) => {
  const named = new Map<LogRoom, z.output<typeof level>>()
  for (const item of items) {
    const [name, wanted] = item.split('=')
    const [where, least] = [room.safeParse(name), level.safeParse(wanted)]
    if (where.success && least.success) named.set(where.data, least.data)
    else
      context.addIssue({
        code: 'custom',
        message: `${item}: each is room=level; rooms are ${logRooms.join(', ')}; levels ${level.options.join(', ')}`,
      })
  }
  return named as ReadonlyMap<LogRoom, z.output<typeof level>>
})

export const logSettings = {
  LOG_LEVEL: setting(level, 'info', 'least severe line that is logged'),
  LOG_LEVELS: setting(
    levels,
    '',
    'the same for single rooms: kafka=warn,gateway=debug; rooms are gateway, workers, kafka, postgres, redis, outside (webhooks, robots, offline push) and tracing',
  ),
}
