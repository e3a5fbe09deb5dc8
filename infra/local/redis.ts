/** Redis of the local stack: presence and counters only, so nothing is written to disk. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { connect } from 'node:net'
import { until } from './answers.js'
import { logFile } from './logs.js'
import type { Program } from './supervise.js'

/** @param binary path of redis-server */
export function redisProgram(binary: string, dataDir: string, port: number): Program {
  const log = logFile(dataDir, 'redis')
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', 'always-show-logo': 'no' }
  return {
    name: 'redis',
    rank: 'backing',
    stopSignal: 'SIGTERM',
    launch(): ChildProcess {
      const output = log.open()
      const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
      const child = spawn(binary, args, { cwd: dataDir, detached: true, stdio: ['ignore', output, output] })
      closeSync(output)
      return child
    },
    ready: (_child, ended) => redisAnswers(port, ended),
    lastWords: () => `${log.path}:\n${log.tail(10)}`,
  }
}

/** Resolves once Redis answers a PING. */
export function redisAnswers(port: number, ended: AbortSignal): Promise<void> {
  return until(ended, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    return { socket, isAnswer: (reply) => reply.toString().startsWith('+PONG') }
  })
}
