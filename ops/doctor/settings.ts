/** Which setting is wrong, is meant but misspelt, or is set without effect. */
import { type Config, settings } from '../../schemas/config.js'
import { misspelt } from '../../schemas/misspelt.js'
import { tellsEvents } from '../../schemas/webhook-settings.js'
import { doubtful, type Finding, ok, wrong } from './finding.js'

const part = 'config'
const names = Object.keys(settings) as (keyof Config)[]

/** @param faults of the configuration as a whole; none where it is valid */
export function faultyConfig(faults: readonly string[]): Finding[] {
  return faults.map((fault) =>
    wrong(part, fault, 'set it right and start again: .env.example lists every setting'),
  )
}

/**
 * @param env the environment, in which only what is not empty counts as set
 * @param config what was made of it
 */
export function settingsFindings(env: NodeJS.ProcessEnv, config: Config): Finding[] {
  const isSet = (name: string) => env[name] !== undefined && env[name] !== ''
  const findings = [
    ...misspelt(env, names).map(({ name, meant }) =>
      doubtful(part, `${name} is set and ignored: there is no such setting`, `was ${meant} meant?`),
    ),
    ...without(config)
      .filter(({ setting }) => isSet(setting))
      .map(({ setting, why }) =>
        doubtful(
          part,
          `${setting} is set and ignored: ${why}`,
          `unset ${setting}, or set what it belongs to`,
        ),
      ),
    ...unwise(config),
  ]
  const given = names.filter(isSet)
  return [
    ok(part, `${given.length} settings are set, ${names.length - given.length} have their defaults`),
    ...findings,
  ]
}

/** Settings that have no effect without another one, where that is missing. */
function without(config: Config): { setting: keyof Config; why: string }[] {
  const rules: readonly [applies: boolean, why: string, ...settings: (keyof Config)[]][] = [
    [config.TLS_CERT === undefined, 'there is no TLS_CERT, so nothing listens there', 'TLS_PORT'],
    [
      config.KAFKA_SASL_MECHANISM === undefined,
      'without KAFKA_SASL_MECHANISM nobody logs in to the brokers',
      'KAFKA_SASL_USERNAME',
      'KAFKA_SASL_PASSWORD',
    ],
    [
      config.WEBHOOK_BEFORE_SEND_URL === undefined,
      'there is no WEBHOOK_BEFORE_SEND_URL to ask',
      'WEBHOOK_BEFORE_SEND_SECRET',
      'WEBHOOK_BEFORE_SEND_TIMEOUT_MS',
      'WEBHOOK_BEFORE_SEND_ON_FAILURE',
    ],
    [
      !tellsEvents(config),
      'there is no WEBHOOK_EVENTS_URL to tell',
      'WEBHOOK_EVENTS_SECRET',
      'WEBHOOK_EVENTS_TIMEOUT_MS',
      'WEBHOOK_RETRY_DELAYS_MS',
      'WEBHOOK_RETRIES',
    ],
    [config.PUSH_WEBHOOK_URL === undefined, 'there is no PUSH_WEBHOOK_URL to post to', 'PUSH_WEBHOOK_SECRET'],
    [config.APNS_KEY_FILE === undefined, 'there is no APNS_KEY_FILE', 'APNS_URL'],
    [config.FCM_SERVICE_ACCOUNT_FILE === undefined, 'there is no FCM_SERVICE_ACCOUNT_FILE', 'FCM_URL'],
    [
      !config.ROLES.includes('all') && !config.ROLES.includes('gateway'),
      'ROLES has no gateway',
      'GATE_ID',
      'TCP_PORT',
      'TLS_PORT',
      'ADVERTISED_TCP',
      'ADVERTISED_TLS',
      'ADVERTISED_WS',
      'ADVERTISED_WSS',
    ],
  ]
  return rules.flatMap(([applies, why, ...concerned]) =>
    applies ? concerned.map((setting) => ({ setting, why })) : [],
  )
}

/** What works and yet is hardly meant. */
function unwise(config: Config): Finding[] {
  if (config.PROFILE === 'local') return []
  const findings: Finding[] = []
  if (config.TOPIC_REPLICATION === 1)
    findings.push(
      doubtful(
        part,
        'TOPIC_REPLICATION is 1: a broker that is lost takes acked messages with it',
        'three brokers and TOPIC_REPLICATION=3; it counts when topics are made',
      ),
    )
  if (config.PUSH_PROVIDER === 'log')
    findings.push(
      doubtful(
        part,
        'PUSH_PROVIDER is log: notifications of tokens that name no provider reach nobody',
        'set PUSH_PROVIDER',
      ),
    )
  if (config.ADVERTISED_TCP === undefined && config.HOST === '127.0.0.1')
    findings.push(
      doubtful(
        part,
        'HOST is 127.0.0.1 and ADVERTISED_TCP is not set: clients are told an address that only this machine has',
        'set HOST and ADVERTISED_TCP (and _TLS, _WS, _WSS)',
      ),
    )
  return findings
}
