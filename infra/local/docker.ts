/** The second way: Kafka and Redis from the official images, where Java or Maven is missing. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync } from 'node:fs'
import { promisify } from 'node:util'
import type { DataFolder } from './folder.js'
import { brokerSettings, type KafkaPorts, kafkaAnswers } from './kafka.js'
import { logFile } from './logs.js'
import { redisAnswers } from './redis.js'
import type { Program } from './supervise.js'
import { withProgress } from './terminal.js'

const images = { kafka: 'apache/kafka:4.2.0', redis: 'redis:7.0.15' }

export interface Container {
  readonly name: string
  readonly program: Program
}

/** Whether a Docker engine can be used: the client alone is not enough. */
export const dockerEngineAnswers = (): Promise<boolean> =>
  promisify(execFile)('docker', ['info'], { timeout: 5_000 }).then(
    () => true,
    () => false,
  )

async function fetchImage(image: string): Promise<void> {
  const docker = (...args: string[]) => promisify(execFile)('docker', args)
  const present = await docker('image', 'inspect', image).then(
    () => true,
    () => false,
  )
  if (!present) await withProgress(`fetching the image ${image}`, docker('pull', '-q', image))
}

const containerName = (folder: DataFolder, part: string): string =>
  `coffeechat-${createHash('sha256').update(folder.path).digest('hex').slice(0, 12)}-${part}`

/** `docker run` in the foreground passes signals on and ends with its container. */
function container(
  folder: DataFolder,
  part: 'kafka' | 'redis',
  run: { options: string[]; command: string[]; ready: Program['ready'] },
): Container {
  const name = containerName(folder, part)
  const log = logFile(folder.path, part)
  return {
    name,
    program: {
      name: part,
      rank: 'backing',
      stopSignal: 'SIGTERM',
      launch(): ChildProcess {
        // a client that was killed leaves its container running
        execFileSync('docker', ['rm', '-f', name], { stdio: 'ignore' })
        const output = log.open()
        const args = ['run', '--rm', '--name', name, ...run.options, images[part], ...run.command]
        const child = spawn('docker', args, { detached: true, stdio: ['ignore', output, output] })
        closeSync(output)
        return child
      },
      ready: run.ready,
      lastWords: () => `${log.path}:\n${log.tail(10)}`,
    },
  }
}

const publish = (port: number): string[] => ['-p', `127.0.0.1:${port}:${port}`]
/** The image reads `a.b` from KAFKA_A_B. */
const variable = (setting: string): string => `KAFKA_${setting.toUpperCase().replaceAll('.', '_')}`

/** The broker in a container; its log lies in a volume of the container's name. */
export async function kafkaContainer(folder: DataFolder, ports: KafkaPorts): Promise<Container> {
  await fetchImage(images.kafka)
  const settings: Record<string, string> = {
    ...brokerSettings,
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    listeners: `PLAINTEXT://0.0.0.0:${ports.kafka},CONTROLLER://127.0.0.1:${ports.controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${ports.kafka}`,
    'log.dirs': '/var/lib/kafka/data',
  }
  const environment = Object.entries(settings).flatMap(([name, value]) => [
    '-e',
    `${variable(name)}=${value}`,
  ])
  const volume = ['-v', `${containerName(folder, 'kafka')}:/var/lib/kafka/data`]
  return container(folder, 'kafka', {
    options: [...publish(ports.kafka), ...volume, ...environment],
    command: [],
    ready: (_child, ended) => kafkaAnswers(ports.kafka, ended),
  })
}

/** Redis in a container. */
export async function redisContainer(folder: DataFolder, port: number): Promise<Container> {
  await fetchImage(images.redis)
  return container(folder, 'redis', {
    options: publish(port),
    command: ['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'],
    ready: (_child, ended) => redisAnswers(port, ended),
  })
}
