/** Settings of traces, under the names that OpenTelemetry gives them (docs/operate/traces.md). Part of config.ts. */
import { z } from 'zod'
import { list, ms, setting } from './setting.js'

const collector = z.url({ protocol: /^https?$/ }).refine((url) => {
  if (!URL.canParse(url)) return true // that is said by now
  const { username, password } = new URL(url)
  return username === '' && password === ''
}, 'an http(s) address without a user and a password: those go into OTEL_EXPORTER_OTLP_HEADERS')

/** `name=value` each; values may be percent-encoded. */
const headers = list.transform((items, context) => {
  const named: Record<string, string> = {}
  for (const item of items) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\x21-\x7e]*)$/.exec(item) ?? []
    if (name !== undefined && value !== undefined && isEncoded(value)) named[name] = decodeURIComponent(value)
    else context.addIssue({ code: 'custom', message: 'each is the name of a header, =, and its value' })
  }
  return named as Readonly<Record<string, string>>
})

function isEncoded(value: string): boolean {
  try {
    return /^[\x20-\x7e]*$/.test(decodeURIComponent(value))
  } catch {
    return false
  }
}

export const tracingSettings = {
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    collector.optional(),
    undefined,
    'where spans go over OTLP/HTTP, without /v1/traces: http://collector:4318; without it none are made',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: setting(headers, '', 'headers of those posts: authorization=Bearer%20…'),
  OTEL_EXPORTER_OTLP_TIMEOUT: setting(ms(100, 60_000), '10000', 'how long one of those posts may take, ms'),
  OTEL_TRACES_SAMPLER_ARG: setting(
    z.coerce.number().min(0).max(1),
    '0.01',
    'which share of the traces that begin here is recorded, 0 to 1; a traceparent that comes along decides for itself',
  ),
  OTEL_SERVICE_NAME: setting(z.string().min(1).max(255), 'coffeechat', 'name of the service in its spans'),
} as const
