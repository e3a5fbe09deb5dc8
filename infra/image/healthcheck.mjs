/** The health check of the image: exits 0 while this container's process lives (METRICS_PORT, /healthz). */
const { METRICS_PORT: port, METRICS_HOST, HOST } = process.env
const host = METRICS_HOST || HOST || '127.0.0.1'
const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host

try {
  const { status } = await fetch(`http://${reachable}:${port}/healthz`, {
    signal: AbortSignal.timeout(2_000),
  })
  process.exit(status === 200 ? 0 : 1)
} catch {
  process.exit(1)
}
