/** Users of a running system with the project's own client library, for the tests that need a whole client. */

import type { CIMPushData, Snapshot } from '../../client/index.js'
import { type ChatError, type ChatMessage, type Client, textOf } from '../../client/index.js'
import { createNodeClient, type NodeOptions } from '../../client/node.js'
import type { System } from './system.js'
import { until } from './until.js'

/** A client and all that it told. */
export interface Told {
  readonly client: Client
  readonly token: string
  readonly messages: ChatMessage[]
  readonly pushes: CIMPushData[]
  readonly states: string[]
  readonly errors: ChatError[]
  /** Resolves with its text once a message with it is shown. */
  shows(text: string, within_ms?: number): Promise<ChatMessage>
  texts(session_id: number): string[]
  synced(): Promise<Snapshot>
}

export interface ClientCrowd {
  /** A new user with a client that is online. */
  newClient(options?: Partial<NodeOptions>): Promise<Told>
  /** One more client of this user, not connected. */
  clientOf(user_id: number, token: string, options?: Partial<NodeOptions>): Told
  leave(): void
}

const within_default_ms = 15_000

/** @param firstUserId must be nobody else's in this system */
export function createClients(system: System, firstUserId = 500_001): ClientCrowd {
  const clients: Client[] = []
  let nextUserId = firstUserId

  function clientOf(user_id: number, token: string, options: Partial<NodeOptions> = {}): Told {
    const server = `http://127.0.0.1:${system.http}`
    const client = createNodeClient({
      user_id,
      token,
      server,
      firstRetry_ms: 100,
      longestRetry_ms: 1_000,
      ...options,
    })
    clients.push(client)
    const messages: ChatMessage[] = []
    const pushes: CIMPushData[] = []
    const states: string[] = []
    const errors: ChatError[] = []
    client.on('message', (message) => void messages.push(message))
    client.on('push', (push) => void pushes.push(push))
    client.on('state', ({ name }) => void states.push(name))
    client.on('error', (error) => void errors.push(error))
    const texts = (session_id: number) =>
      messages.filter((each) => each.session_id === session_id).map((each) => textOf(each) ?? '')
    return {
      ...{ client, token, messages, pushes, states, errors, texts },
      shows: (text, within_ms = within_default_ms) =>
        until(
          () => `${text}; there were ${messages.map((each) => textOf(each)).join(', ')}`,
          () => messages.find((each) => textOf(each) === text),
          within_ms,
        ),
      synced: () => new Promise((resolve) => client.on('synced', resolve)),
    }
  }

  return {
    clientOf,
    async newClient(options) {
      const user_id = nextUserId++
      const told = clientOf(user_id, await system.api.register(user_id), options)
      const synced = told.synced()
      await told.client.connect()
      await synced
      return told
    },
    leave() {
      for (const client of clients) client.close()
    },
  }
}
