import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../../../infra/log/logger.js'
import { createTrouble } from '../../../schemas/log.js'

const logged = (fields: object): string => {
  const lines: string[] = []
  const log = createLogger('info', {
    fields: { roles: 'all' },
    destination: { write: (line) => lines.push(line) },
  })
  log.info(fields, 'it happened')
  return lines.join('')
}

test('a line is JSON with level, time, text and the fields of the process', () => {
  const line = JSON.parse(logged({ user_id: 7 }))
  assert.equal(line.level, 'info')
  assert.equal(line.msg, 'it happened')
  assert.equal(line.roles, 'all')
  assert.equal(line.user_id, 7)
  assert.ok(!Number.isNaN(Date.parse(line.time)))
})

const secret = 'do-not-show-this'
const tellers: Record<string, object> = {
  token: { token: secret },
  'login request': { login: { user_token: secret } },
  header: { request: { headers: { authorization: secret } } },
  'message body': { message: { msg_data: secret } },
  URL: { error: new Error(`cannot reach postgres://im:${secret}@db/im`) },
  cause: { error: new Error('failed', { cause: new Error(`redis://:${secret}@cache:6379`) }) },
}
for (const [what, fields] of Object.entries(tellers))
  test(`a secret in a ${what} is not logged`, () => {
    assert.ok(!logged(fields).includes(secret))
  })

test('an error is logged with its code and cause', () => {
  const error = Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'ECONNREFUSED' })
  const line = JSON.parse(logged({ error }))
  assert.equal(line.error.code, 'ECONNREFUSED')
  assert.equal(line.error.cause.message, 'inner')
})

test('a room has its name on its lines, and a level of its own where one is set', () => {
  const lines: string[] = []
  const log = createLogger('warn', {
    levels: new Map([['kafka', 'debug']]),
    destination: { write: (line) => lines.push(line) },
  })
  log.room('kafka').debug({}, 'seen')
  log.room('gateway').info({}, 'unseen')
  log.room('gateway').error({}, 'seen too')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ room, msg }) => `${room}: ${msg}`),
    ['kafka: seen', 'gateway: seen too'],
  )
})

test('trouble that goes on is one line with its error, and one when it is over', () => {
  const lines: string[] = []
  const log = createLogger('info', { destination: { write: (line) => lines.push(line) } })
  const trouble = createTrouble(log, 'it fails')
  trouble.isOver()
  for (let n = 0; n < 3; n++) trouble.failed(new Error('no'))
  trouble.isOver()
  trouble.isOver()
  const [first, last, ...more] = lines.map((line) => JSON.parse(line))
  assert.deepEqual([first.level, first.msg, first.error.message], ['warn', 'it fails', 'no'])
  assert.deepEqual([last.level, last.msg, last.times], ['info', 'over: it fails', 3])
  assert.deepEqual(more, [])
})
