/**
 * Which pages may open a WebSocket (spec 6, "Abuse"), and read answers of the REST API. Browsers say where a page is from, and a page cannot change it;
 * who is no browser sends no Origin and is not meant.
 */

/**
 * Whether the page at `origin` may connect to us as `host` (the request's own headers): our own pages, and those of
 * ALLOWED_ORIGINS; `*` there is any page.
 */
export function createOrigins(
  allowed: readonly string[],
): (origin: string | undefined, host: string | undefined) => boolean {
  const known = new Set(allowed.map((each) => each.toLowerCase().replace(/\/$/, '')))
  return (origin, host) => {
    if (origin === undefined || known.has('*')) return true
    const page = origin.toLowerCase()
    return known.has(page) || (host !== undefined && page.replace(/^https?:\/\//, '') === host.toLowerCase())
  }
}
