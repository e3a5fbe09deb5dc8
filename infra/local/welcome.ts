/** What the starter says once everything serves: where, with which key, as whom, and what to try. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { json } from 'node:stream/consumers'
import { demoUsers } from '../../schemas/demo.js'
import { CannotStart } from './terminal.js'

/** A user to try things with. */
interface DemoUser {
  user_id: string
  nick_name: string
  token: string
}

const echoRobot = { user_id: '1003', nick_name: 'Echo' }

const within_ms = 10_000

/** Where the API is: on loopback, so a certificate that this machine does not know is no danger. */
export interface Api {
  /** host:port */
  http: string
  secure: boolean
  apiKey: string
}

/** One JSON call. Not `fetch`: it would stay in the starter's memory, which is small. */
async function call({ http, secure, apiKey }: Api, method: string, path: string, body?: unknown) {
  const url = `${secure ? 'https' : 'http'}://${http}${path}`
  const outgoing = (secure ? httpsRequest : httpRequest)(url, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(within_ms),
    rejectUnauthorized: false,
  })
  outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  return { status: incoming.statusCode, answer: (await json(incoming)) as { token?: string } }
}

/**
 * Registers the demo users over the API, as an app server would; those of an earlier start keep their tokens.
 * @throws CannotStart when the API refuses
 */
export function demoUsersOf(api: Api): Promise<DemoUser[]> {
  return Promise.all(
    demoUsers.map(async (user) => {
      let { status, answer } = await call(api, 'POST', '/v1/users', user)
      if (status === 409) ({ status, answer } = await call(api, 'GET', `/v1/users/${user.user_id}/token`))
      if (answer.token === undefined)
        throw new CannotStart(`Registering the demo user ${user.user_id} failed with HTTP status ${status}.`)
      return { ...user, token: answer.token }
    }),
  )
}

/** Where a robot is asked, and what signs the calls. */
export interface Robot {
  webhook: string
  secret: string
}

/**
 * Registers the echo robot, at where it is in this start; answers its user id.
 * @throws CannotStart when the API refuses
 */
export async function registerRobot(api: Api, robot: Robot): Promise<string> {
  const { user_id } = echoRobot
  let { status } = await call(api, 'POST', '/v1/users', { ...echoRobot, robot })
  if (status === 409) ({ status } = await call(api, 'PATCH', `/v1/users/${user_id}`, { robot }))
  if (status !== 200 && status !== 201)
    throw new CannotStart(`Registering the echo robot ${user_id} failed with HTTP status ${status}.`)
  return user_id
}

/** What the banner tells. */
export interface Welcome {
  tcp: string
  api: Api
  /** Listeners that did not get their usual port, each with the port it has. */
  moved: readonly string[]
  users: readonly DemoUser[]
  /** User id of the echo robot, where there is one. */
  robot: string | undefined
  showKey: boolean
  logs: string
  localFile: string
}

/** The banner, without the final `ready`. */
export function banner({ tcp, api, moved, users, robot, showKey, logs, localFile }: Welcome): string {
  const url = `${api.secure ? 'https' : 'http'}://${api.http}`
  const [first, second] = users
  const tryIt =
    first === undefined || second === undefined
      ? []
      : [
          '',
          'Try it: send a message as an app server',
          `  curl -s ${url}/v1/messages -H 'authorization: Bearer ${api.apiKey}' -H 'content-type: application/json' \\`,
          `    -d '{"from_user_id":"${first.user_id}","to_user_id":"${second.user_id}","msg_id":"'$(date +%s)'","msg_type":1,"text":"hello"}'`,
          'or as a client: connect to the TCP port (or the WebSocket), send AUTH_TOKEN_REQ with a user id and',
          'its token, then MSG_DATA to the other user; MSG_DATA_ACK comes once the message is stored.',
        ]
  return [
    '',
    'CoffeeChat',
    `  TCP        ${tcp}`,
    `  WebSocket  ${url.replace('http', 'ws')}/ws`,
    `  HTTP       ${url} (a page to try the API at /docs)`,
    ...(users.length > 0 ? [`  web chat   ${url}/chat`] : []),
    ...moved.map((line) => `             ${line}`),
    ...(showKey ? [`  API key    ${api.apiKey}`] : []),
    ...users.map(({ user_id, nick_name, token }) => `  user ${user_id}  ${nick_name}, token ${token}`),
    ...(robot === undefined ? [] : [`  user ${robot}  Echo, a robot: says what is sent to it`]),
    `  logs       ${logs}`,
    `  addresses  ${localFile}`,
    ...tryIt,
    '',
  ].join('\n')
}
