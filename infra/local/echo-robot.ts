/** The echo robot of the demo: docs/examples/echo-robot.mjs, kept running beside our processes. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { logFile } from './logs.js'
import { keepLog, type Launchpad } from './programs.js'
import { keepRunning, type Program } from './supervise.js'
import type { Robot } from './welcome.js'

/** Node's own start takes the robot's settings and nothing else of ours. */
const robotEnv = (secret: string, port: string): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  ROBOT_SECRET: secret,
  PORT: port,
})

/**
 * Starts the robot; resolves with how it is reached, undefined where this checkout has no examples.
 * @throws CannotStart when it ended three times before it listened
 */
export async function startEchoRobot(
  { root, dataDir, register }: Launchpad,
  stopping: AbortSignal,
): Promise<Robot | undefined> {
  const example = join(root, 'docs', 'examples', 'echo-robot.mjs')
  if (!existsSync(example)) return undefined
  const log = logFile(dataDir, 'echo-robot')
  const secret = randomBytes(24).toString('base64url')
  let webhook: string | undefined
  const program: Program = {
    name: 'echo-robot',
    rank: 'ours',
    stopSignal: 'SIGTERM',
    launch() {
      // Where it was before: the server knows it there.
      const port = webhook === undefined ? '0' : new URL(webhook).port
      const child = spawn(process.execPath, [example], {
        env: robotEnv(secret, port),
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      keepLog('echo-robot', child, log)
      return child
    },
    ready: ({ stdout }) =>
      new Promise((resolve) => {
        if (stdout === null) return
        createInterface({ input: stdout }).on('line', (line) => {
          const found = /^listening on (\S+)$/.exec(line)
          if (found === null) return
          webhook = found[1]
          resolve()
        })
      }),
    lastWords: () => `${log.path}:\n${log.tail(15)}`,
  }
  await keepRunning(program, register, stopping)
  return webhook === undefined ? undefined : { webhook, secret }
}
