/** `npm test`, once the checkout is prepared: the tests, on a Kafka, PostgreSQL and Redis of their own. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Backing, startBacking } from './backing.js'
import { type Frame, inFrame, type Launch } from './frame.js'
import { say, seconds } from './terminal.js'

/** Two cores are what the stack and the tests have to share on a small machine. */
const concurrency = 2
/** Of one test file: one that hangs is named and ended, instead of holding up all others. */
const testLimit_ms = 600_000

/** Compiled test files whose path holds one of the words; all of them when there are no words. */
function testFiles(root: string, words: readonly string[]): string[] {
  const folder = join(root, 'dist', 'test')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js'))
    .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
    .sort()
    .map((path) => join(folder, path))
}

/** Runs node's own test runner; resolves with its exit code. What tests make for a while lies in our folder. */
function runRunner(
  { root, env, register, folder }: Frame,
  backing: Backing,
  args: string[],
): Promise<number> {
  const temporary = join(folder.path, 'tmp')
  mkdirSync(temporary)
  const child = spawn(process.execPath, args, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...env,
      TMPDIR: temporary,
      TEST_KAFKA_BROKERS: backing.kafka,
      TEST_DATABASE_URL: backing.postgres,
      TEST_REDIS_URL: backing.redis,
    },
  })
  register.add(child, { name: undefined, rank: 'ours', signal: 'SIGTERM' })
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

/**
 * Runs the tests and exits the program with the runner's code; neither a process nor a file of theirs stays.
 * Arguments that begin with a dash go to node's runner, others choose files by a part of their path:
 * `npm test -- codec --test-name-pattern=frame`.
 */
export async function runTests(launch: Launch): Promise<void> {
  const flags = launch.argv.filter((argument) => argument.startsWith('-'))
  const files = testFiles(
    launch.root,
    launch.argv.filter((argument) => !argument.startsWith('-')),
  )
  if (files.length === 0) {
    process.stderr.write(`No test file's path holds ${launch.argv.join(' or ')}\n`)
    process.exit(1)
  }
  const dataDir = mkdtempSync(join(tmpdir(), 'coffeechat-test-'))
  chmodSync(dataDir, 0o755) // PostgreSQL's system user has to pass
  launch.guard.watchFolder(dataDir)
  const { TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL } = launch.env
  const given = { kafka: TEST_KAFKA_BROKERS, postgres: TEST_DATABASE_URL, redis: TEST_REDIS_URL }
  const run = async (frame: Frame) => {
    const backing = await startBacking(given, frame, {
      install: false,
      watchContainers: frame.guard.watchContainers,
    })
    await backing.up
    say(`Kafka, PostgreSQL and Redis are up (${seconds(Date.now() - launch.begun)})`)
    const runner = [
      '--test',
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${testLimit_ms}`,
      '--test-reporter=spec',
      '--enable-source-maps',
    ]
    return runRunner(frame, backing, [...runner, ...flags, ...files])
  }
  await inFrame(launch, dataDir, run, () => rmSync(dataDir, { recursive: true, force: true }))
}
