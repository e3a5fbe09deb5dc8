/** What the starter says once everything serves: where, with which key, as whom, and what to try. */
import { CannotStart } from './terminal.js'

/** A user to try things with. */
interface DemoUser {
  user_id: string
  nick_name: string
  token: string
}

const demoUsers = [
  { user_id: '1001', nick_name: 'Ada' },
  { user_id: '1002', nick_name: 'Bo' },
]

const within_ms = 10_000

/**
 * Registers the demo users over the API, as an app server would; those of an earlier start keep their tokens.
 * @throws CannotStart when the API refuses
 */
export function demoUsersOf(http: string, apiKey: string): Promise<DemoUser[]> {
  const ask = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`http://${http}${path}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(within_ms),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, answer: (await response.json()) as { token?: string } }
  }
  return Promise.all(
    demoUsers.map(async (user) => {
      let { status, answer } = await ask('POST', '/v1/users', user)
      if (status === 409) ({ status, answer } = await ask('GET', `/v1/users/${user.user_id}/token`))
      if (answer.token === undefined)
        throw new CannotStart(`Registering the demo user ${user.user_id} failed with HTTP status ${status}.`)
      return { ...user, token: answer.token }
    }),
  )
}

/** What the banner tells. */
export interface Welcome {
  tcp: string
  http: string
  /** Listeners that did not get their usual port, each with the port it has. */
  moved: readonly string[]
  apiKey: string | undefined
  users: readonly DemoUser[]
  logs: string
  localFile: string
}

/** The banner, without the final `ready`. */
export function banner({ tcp, http, moved, apiKey, users, logs, localFile }: Welcome): string {
  const [first, second] = users
  const tryIt =
    first === undefined || second === undefined
      ? []
      : [
          '',
          'Try it: send a message as an app server',
          `  curl -s http://${http}/v1/messages -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' \\`,
          `    -d '{"from_user_id":"${first.user_id}","to_user_id":"${second.user_id}","msg_id":"'$(uuidgen)'","msg_type":1,"text":"hello"}'`,
          'or as a client: connect to the TCP port (or the WebSocket), send AUTH_TOKEN_REQ with a user id and',
          'its token, then MSG_DATA to the other user; MSG_DATA_ACK comes once the message is stored.',
        ]
  return [
    '',
    'CoffeeChat',
    `  TCP        ${tcp}`,
    `  WebSocket  ws://${http}/ws`,
    `  HTTP       http://${http} (described at /openapi.json)`,
    ...moved.map((line) => `             ${line}`),
    ...(apiKey === undefined ? [] : [`  API key    ${apiKey}`]),
    ...users.map(({ user_id, nick_name, token }) => `  user ${user_id}  ${nick_name}, token ${token}`),
    `  logs       ${logs}`,
    `  addresses  ${localFile}`,
    ...tryIt,
    '',
  ].join('\n')
}
