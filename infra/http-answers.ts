/** What the answers to HTTP posts of ours have in common. */

/** The whole body; undefined where it is longer, and the rest is not read. */
export async function readAtMost(response: Response, max_bytes: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let size_bytes = 0
  // Leaving the loop ends the connection.
  for await (const chunk of response.body ?? []) {
    size_bytes += chunk.length
    if (size_bytes > max_bytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** ECONNREFUSED, TimeoutError …: never the text, which may name the address with its credentials. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  // Some failures have a number in `code`, which says less than their name.
  for (const each of [error.cause, error])
    if (each instanceof Error && 'code' in each && typeof each.code === 'string') return each.code
  return error.name
}
