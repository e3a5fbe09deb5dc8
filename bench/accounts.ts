/** The users of a run, registered as an app server would register them. */
import type { System } from './systems.js'
import type { Account } from './wire.js'

const firstId = 500_001
const atOnce = 10

/** Registers `count` users over REST. @throws when one is refused */
export async function registerAccounts({ http, apiKey }: System, count: number): Promise<Account[]> {
  const register = async (id: number): Promise<Account> => {
    const response = await fetch(`http://${http}/v1/users`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ user_id: String(id), nick_name: `bench ${id}` }),
    })
    const { token } = (await response.json()) as { token?: string }
    if (token === undefined) throw new Error(`User ${id} was not registered: HTTP status ${response.status}`)
    return { id, token }
  }
  const accounts: Account[] = []
  while (accounts.length < count) {
    const ids = Array.from(
      { length: Math.min(atOnce, count - accounts.length) },
      (_, at) => accounts.length + at,
    )
    accounts.push(...(await Promise.all(ids.map((at) => register(firstId + at)))))
  }
  return accounts
}
