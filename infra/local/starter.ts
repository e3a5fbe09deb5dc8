/** `npm start`, once the checkout is prepared: brings the whole stack up and stays until it is to go down. */
import { join, resolve } from 'node:path'
import { type Config, readConfig } from '../../schemas/config.js'
import { misspelt } from '../../schemas/misspelt.js'
import { describeSettings } from '../../schemas/settings-text.js'
import { tellsEvents } from '../../schemas/webhook-settings.js'
import { type Backing, startBacking } from './backing.js'
import { type Command, help, readCommand } from './commands.js'
import { startEchoRobot } from './echo-robot.js'
import { localFilePath, writeLocalFile } from './folder.js'
import { type Frame, inFrame, type Launch } from './frame.js'
import { chooseListeners, chooseMetricsPorts, type Listeners } from './listeners.js'
import { type Launchpad, ourProgram, runSetup } from './programs.js'
import { requireRoles, roleNames } from './roles.js'
import { keepRunning } from './supervise.js'
import { CannotStart, say, seconds } from './terminal.js'
import { banner, demoUsersOf, registerRobot } from './welcome.js'

/** Settings of our processes: the user's, and what was found or made for them. */
function childSettings(frame: Frame, config: Config, backing: Backing, dataDir: string): NodeJS.ProcessEnv {
  const { apiKey, tokenSecret, gateId } = frame.folder.keepsakes
  const made = config.PROFILE === 'local' ? { API_KEY: apiKey, TOKEN_SECRET: tokenSecret } : {}
  const given = Object.fromEntries(Object.entries(frame.env).filter(([, value]) => value !== ''))
  return {
    ...made,
    GATE_ID: gateId,
    ...given,
    PROFILE: config.PROFILE,
    DATA_DIR: dataDir,
    KAFKA_BROKERS: backing.kafka,
    DATABASE_URL: backing.postgres,
    REDIS_URL: backing.redis,
  }
}

/** Each process by its name and roles: one for all, or one for each. */
function processesOf(config: Config, command: Command): { name: string; roles: readonly string[] }[] {
  // Without an address nobody is told anything.
  const all = roleNames.filter((role) => role !== 'webhooks' || tellsEvents(config))
  const roles = config.ROLES.includes('all') ? all : config.ROLES
  if (command.processes) return roles.map((role) => ({ name: role, roles: [role] }))
  return [{ name: config.ROLES.join('+'), roles: config.ROLES }]
}

/** Starts our processes; local.json is whole before the first of them can serve. */
async function startOurs(
  frame: Frame,
  launchpad: Launchpad,
  listeners: Listeners,
  processes: ReturnType<typeof processesOf>,
  backing: Backing,
): Promise<void> {
  const { register, folder, shutdown } = frame
  const host = launchpad.env.METRICS_HOST || launchpad.env.HOST || '127.0.0.1'
  const names = processes.length > 1 ? processes.map(({ name }) => name) : []
  const metricsPorts = await chooseMetricsPorts(names, frame.env, host)
  register.onChange(() => {
    if (shutdown.asked.aborted) return
    writeLocalFile(folder.path, {
      kafka: backing.kafka,
      postgres: backing.postgres,
      redis: backing.redis,
      http: listeners.http(),
      tcp: listeners.tcp(),
      api_key: firstKey(launchpad.env),
      ...(metricsPorts.size > 0 ? { metrics_ports: Object.fromEntries(metricsPorts) } : {}),
      ...(backing.postgresFolder === undefined ? {} : { postgres_folder: backing.postgresFolder }),
      pids: { starter: process.pid, ...register.pids() },
    })
  })
  const starts = processes.map(({ name, roles }) => {
    const port = metricsPorts.get(name)
    const metrics = port === undefined ? {} : { METRICS_PORT: String(port) }
    const program = ourProgram(name, roles, launchpad, async (served) =>
      roles.includes('gateway') || roles.includes('all')
        ? { ...metrics, ...(await listeners.settings(served)) }
        : metrics,
    )
    return keepRunning(program, register, shutdown.asked)
  })
  await Promise.all(starts)
}

const firstKey = (env: NodeJS.ProcessEnv): string => (env.API_KEY ?? '').split(',')[0]?.trim() ?? ''

async function bringUp(frame: Frame, command: Command, config: Config): Promise<number> {
  const { root, env, register, folder, shutdown, guard } = frame
  const listeners = await chooseListeners(env, config.HOST)
  const given = { kafka: env.KAFKA_BROKERS, postgres: env.DATABASE_URL, redis: env.REDIS_URL }
  const backing = await startBacking(given, frame, {
    install: command.install,
    watchContainers: guard.watchContainers,
  })
  const settings = childSettings(frame, config, backing, folder.path)
  const launchpad: Launchpad = { root, dataDir: folder.path, env: settings, register }
  const up = backing.up.then(() =>
    say(`Kafka, PostgreSQL and Redis are up (${seconds(Date.now() - frame.begun)})`),
  )
  // it waits for Kafka itself: by then it is loaded and the database is done
  await Promise.all([up, runSetup(launchpad)])
  await startOurs(frame, launchpad, listeners, processesOf(config, command), backing)

  await welcome(frame, command, config, listeners, launchpad)
  say(`started in ${seconds(Date.now() - frame.begun)}\nready`)
  await new Promise((done) => shutdown.asked.addEventListener('abort', done))
  return 0
}

/** Says where everything is and what to try; without a gateway here there is nothing to try. */
async function welcome(
  { folder, shutdown }: Frame,
  command: Command,
  config: Config,
  listeners: Listeners,
  launchpad: Launchpad,
): Promise<void> {
  const settings = launchpad.env
  const gateway = config.ROLES.includes('all') || config.ROLES.includes('gateway')
  const demo = gateway && config.PROFILE === 'local' && settings.EXPOSE !== 'true' && !command.expose
  const api = { http: listeners.http(), secure: config.TLS_CERT !== undefined, apiKey: firstKey(settings) }
  const echo = async () => {
    const robot = await startEchoRobot(launchpad, shutdown.asked)
    return robot && registerRobot(api, robot)
  }
  const [users, robot] = demo ? await Promise.all([demoUsersOf(api), echo()]) : [[]]
  say(
    banner({
      tcp: listeners.tcp(),
      api,
      moved: listeners.moved(),
      users,
      robot,
      showKey: config.PROFILE === 'local',
      logs: join(folder.path, 'logs'),
      localFile: localFilePath(folder.path),
    }),
  )
}

/** Runs `npm start` to its end; exits the program. */
export async function start(launch: Launch): Promise<void> {
  let command: Command
  let config: Config
  const env = { ...launch.env }
  try {
    command = readCommand(launch.argv, launch.env)
    if (command.expose) env.EXPOSE = 'true'
    config = readConfig(env)
    requireRoles(config.ROLES)
  } catch (error) {
    if (!(error instanceof CannotStart) && (error as Error).name !== 'ConfigError') throw error
    process.stderr.write(`${(error as Error).message}\n`)
    process.exit(1)
  }
  if (command.help) {
    say(help(describeSettings()))
    process.exit(0)
  }
  for (const { name, meant } of misspelt(env, Object.keys(config)))
    say(`${name} is set and ignored: there is no such setting. Was ${meant} meant?`)
  const dataDir = resolve(launch.root, config.DATA_DIR)
  await inFrame({ ...launch, env }, dataDir, (frame) => bringUp(frame, command, config))
}
