/** What HTTP posts of ours to the business and to robots, and the answers to them, have in common. */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

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

/** The JSON of an answer. @throws where it is not UTF-8, or no JSON */
export const jsonOf = (bytes: Uint8Array): unknown => JSON.parse(utf8.decode(bytes))

/** A message's content in a post: `text` where it is UTF-8, `data` in base64 otherwise. */
export function contentOf(msg_data: Uint8Array): { text: string } | { data: string } {
  try {
    return { text: utf8.decode(msg_data) }
  } catch {
    return { data: Buffer.from(msg_data).toString('base64') }
  }
}

/** ECONNREFUSED, TimeoutError …: never the text, which may name the address with its credentials. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  // Some failures have a number in `code`, which says less than their name.
  for (const each of [error.cause, error])
    if (each instanceof Error && 'code' in each && typeof each.code === 'string') return each.code
  return error.name
}
