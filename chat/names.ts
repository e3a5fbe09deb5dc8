/** What users and groups are called. */
import type { Client } from '../client/index.js'

export interface Names {
  of(id: number): string
  /** Asks this client for the names of groups that nobody has asked for. */
  learn(client: Client, group_ids: readonly number[]): Promise<void>
  /** Called, with those who called before, when there are new names. */
  onLearned(listener: () => void): void
}

const robot = 1003

/** Knows the demo users. */
export function createNames(users: readonly { user_id: number; nick_name: string }[]): Names {
  const names = new Map(users.map(({ user_id, nick_name }) => [user_id, nick_name]))
  names.set(robot, 'Echo')
  const asked = new Set<number>()
  const listeners: (() => void)[] = []
  return {
    of: (id) => names.get(id) ?? `${id}`,
    async learn(client, group_ids) {
      const unknown = group_ids.filter((id) => !asked.has(id))
      if (unknown.length === 0 || client.state().name !== 'online') return
      for (const id of unknown) asked.add(id)
      try {
        for (const { group_id, group_name } of await client.groups.info(unknown))
          names.set(group_id, group_name)
        for (const listener of listeners) listener()
      } catch {
        for (const id of unknown) asked.delete(id) // at the next occasion
      }
    },
    onLearned: (listener) => void listeners.push(listener),
  }
}
