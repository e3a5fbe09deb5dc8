/** Kafka, PostgreSQL and Redis: those whose addresses are given are used, the others are started. */
import { join } from 'node:path'
import { type Container, dockerEngineAnswers, kafkaContainer, redisContainer } from './docker.js'
import {
  cachedPart,
  fetchPart,
  findJava,
  findMaven,
  installTools,
  type Java,
  type PartName,
  type Surroundings,
} from './fetch.js'
import type { DataFolder } from './folder.js'
import type { Frame } from './frame.js'
import { kafkaProgram } from './kafka.js'
import { partPort } from './ports.js'
import { postgres } from './postgres.js'
import { redisProgram } from './redis.js'
import { keepRunning, type Program } from './supervise.js'
import { CannotStart } from './terminal.js'

/** Addresses that the user gave; undefined: that part is started here. */
export interface Given {
  kafka: string | undefined
  postgres: string | undefined
  redis: string | undefined
}

export interface Backing {
  /** host:port, comma-separated */
  kafka: string
  /** postgres:// URL */
  postgres: string
  /** redis:// URL */
  redis: string
  /** Where PostgreSQL lives when that is not DATA_DIR. */
  postgresFolder: string | undefined
  /** Resolves once all of them serve. Rejects with CannotStart where one does not come up. */
  up: Promise<void>
}

interface Sources {
  java: Java | undefined
  /** Parts that run in a container, for want of Java or Maven. */
  inDocker: ReadonlySet<PartName>
}

interface Missing {
  java: boolean
  maven: boolean
  parts: PartName[]
}

async function whatIsMissing(wanted: readonly PartName[], { root, env }: Surroundings) {
  const [java, maven] = await Promise.all([findJava(env), findMaven()])
  const lacking = wanted.filter((part) => {
    const fetched = cachedPart(root, part) !== undefined
    return (part === 'kafka' && java === undefined) || (!fetched && (java === undefined || !maven))
  })
  return { java, missing: { java: java === undefined, maven: !maven, parts: lacking } satisfies Missing }
}

function explain({ java, maven, parts }: Missing): CannotStart {
  const tools = [java ? 'Java (17 or newer)' : '', maven ? 'Maven' : ''].filter((name) => name !== '')
  return new CannotStart(
    [
      `Missing: ${tools.join(' and ')}, for ${parts.join(' and ')}. Two ways to get on:`,
      '  1. Install the packages: openjdk-17-jre-headless and maven.',
      '     On Debian or Ubuntu as root `npm start -- --install` does that.',
      '  2. Or start a Docker engine: the official images are used then.',
      '(Or use servers of your own: set KAFKA_BROKERS and REDIS_URL.)',
    ].join('\n'),
  )
}

/** Decides how each part is run. @throws CannotStart naming what is missing and how to get it */
async function chooseSources(wanted: PartName[], install: boolean, around: Surroundings): Promise<Sources> {
  if (wanted.length === 0) return { java: undefined, inDocker: new Set() }
  let { java, missing } = await whatIsMissing(wanted, around)
  if (missing.parts.length > 0 && install) {
    await installTools(around)
    ;({ java, missing } = await whatIsMissing(wanted, around))
  }
  if (missing.parts.length > 0 && !(await dockerEngineAnswers())) throw explain(missing)
  return { java, inDocker: new Set(missing.parts) }
}

async function choosePorts(folder: DataFolder) {
  const taken = new Set<number>()
  const { ports } = folder.keepsakes
  // one after the other: each choice excludes the next
  const kafka = await partPort(ports.kafka, taken)
  const controller = await partPort(ports.controller, taken)
  const chosen = {
    kafka,
    controller,
    postgres: await partPort(ports.postgres, taken),
    redis: await partPort(ports.redis, taken),
  }
  folder.keepsakes.ports = chosen
  folder.keep()
  return chosen
}

/**
 * Brings up what is not given, all at once, and keeps it running. Resolves when PostgreSQL serves, which is up
 * long before Kafka: `up` tells of all.
 * @throws CannotStart when a tool is missing or PostgreSQL does not come up
 */
export async function startBacking(
  given: Given,
  frame: Frame,
  options: { install: boolean; watchContainers: (names: string[]) => void },
): Promise<Backing> {
  const { folder, register, root, env, shutdown } = frame
  const wanted = (['kafka', 'redis'] as const).filter((part) => !given[part])
  const { java, inDocker } = await chooseSources(wanted, options.install, frame)
  const ports = await choosePorts(folder)
  const containers: string[] = []
  const contain = ({ name, program }: Container): Program => {
    containers.push(name)
    options.watchContainers(containers)
    return program
  }
  const keep = (program: Program) => keepRunning(program, register, shutdown.asked)

  async function kafka(): Promise<void> {
    if (inDocker.has('kafka')) return keep(contain(await kafkaContainer(folder, ports)))
    const jars = await fetchPart('kafka', frame)
    if (java === undefined) throw new CannotStart('There is no Java for Kafka.')
    await keep(await kafkaProgram({ java, jars }, folder.path, ports, env))
  }
  async function redis(): Promise<void> {
    if (inDocker.has('redis')) return keep(contain(await redisContainer(folder, ports.redis)))
    const binary = join(await fetchPart('redis', frame), 'redis-server')
    await keep(redisProgram(binary, folder.path, ports.redis))
  }
  async function database() {
    const made = await postgres(root, folder.path, folder.keepsakes, ports.postgres)
    await keep(made.program)
    return made
  }
  const serves = given.postgres ? undefined : database()
  const rest = [given.kafka ? undefined : kafka(), given.redis ? undefined : redis()]
  const up = Promise.all([serves, ...rest]).then(() => undefined)
  up.catch(() => {}) // it is for whoever waits for it
  const made = await serves
  return {
    kafka: given.kafka || `127.0.0.1:${ports.kafka}`,
    postgres: given.postgres || made?.url || '',
    redis: given.redis || `redis://127.0.0.1:${ports.redis}`,
    postgresFolder: made?.elsewhere,
    up,
  }
}
