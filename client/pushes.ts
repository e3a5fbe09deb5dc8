/** Pushes from the business, each once. Pure. */

const remembered = 1_000

/** Knows the last thousand push_ids: a push that was not acked in time comes again. */
export function createPushes(): { isNew(push_id: string): boolean } {
  const seen = new Set<string>()
  return {
    isNew(push_id) {
      if (seen.has(push_id)) return false
      seen.add(push_id)
      if (seen.size > remembered) for (const oldest of seen.keys()) return seen.delete(oldest)
      return true
    },
  }
}
