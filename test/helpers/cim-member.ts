/** A member of groups who uses cim.py, which shares no code with ours; see cim-member.py. */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { commands } from '../../schemas/packets.js'
import type { Journal } from './checker.js'
import type { CorrespondentOptions } from './correspondent.js'
import type { JournalEntry } from './device.js'
import type { Line } from './group-member.js'

const repository = join(import.meta.dirname, '../../..') // from dist/test/helpers
const program = join(repository, 'test/helpers/cim-member.py')
const cim = join(repository, '../shared/tools/cim.py')

/** Whether there are cim.py and a Python to run it. */
export const hasCim = (): boolean => existsSync(cim) && spawnSync('python3', ['--version']).status === 0

interface Told extends Partial<JournalEntry> {
  readonly text?: string
  readonly online?: boolean
  readonly id?: string
  readonly values?: object
  readonly refused?: boolean
}

interface Question {
  resolve(values: object): void
  reject(reason: Error): void
}

/** One line of its journal, as our own devices have it. */
function entryOf({ text, server_msg_id, ...told }: Told): JournalEntry {
  const { at_ms = 0, kind = 'sent', from_user_id = 0, to_session_id = 0, msg_id = '', res_code } = told
  return {
    at_ms,
    kind,
    from_user_id,
    to_session_id,
    msg_id,
    ...(res_code === undefined ? {} : { res_code }),
    ...(typeof server_msg_id === 'number' ? { server_msg_id } : {}),
    ...(text === undefined ? {} : { msg_data: Buffer.from(text) }),
  }
}

/** Takes what the program says. */
function listen(child: ChildProcessByStdio<Writable, Readable, null>) {
  const entries: JournalEntry[] = []
  const questions = new Map<string, Question>()
  const settled = new Set<string>()
  const known = { entries, questions, settled, isOnline: false }
  createInterface({ input: child.stdout }).on('line', (line) => {
    const told: Told = JSON.parse(line)
    if (told.online !== undefined) known.isOnline = told.online
    if (told.kind !== undefined) entries.push(entryOf(told))
    // Busy: it asks again by itself.
    if (told.kind === 'acked' && told.res_code !== 10 && told.res_code !== 6) settled.add(told.msg_id ?? '')
    const question = questions.get(told.id ?? '')
    if (question === undefined) return
    questions.delete(told.id ?? '')
    if (told.refused) question.reject(Object.assign(new Error('ERROR_NOTIFY'), told.values))
    else question.resolve(told.values ?? {})
  })
  return known
}

/** Starts one; it logs in by itself. */
export function createCimLine({ user_id, token, ports }: CorrespondentOptions): Line {
  const child = spawn('python3', [program, cim, String(user_id), token, ...ports.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const end = () => void child.kill('SIGKILL')
  process.once('exit', end)
  const known = listen(child)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const order = (what: object) => void child.stdin.write(`${JSON.stringify(what)}\n`)
  const sent = new Set<string>()
  const journal: Journal = { user_id, entries: known.entries }
  return {
    user_id,
    journals: [journal],
    isOnline: () => known.isOnline,
    waiting: () => sent.size - known.settled.size,
    send(to, text) {
      const msg_id = randomUUID()
      sent.add(msg_id)
      order({ do: 'send', to, text, msg_id })
    },
    ask: (name, values, answer) =>
      new Promise((resolve, reject) => {
        const id = randomUUID()
        known.questions.set(id, { resolve: (found) => resolve(found as never), reject })
        order({ do: 'ask', id, command: commands[name].id, answer: commands[answer].id, values })
      }),
    put: (name, values) => order({ do: 'put', command: commands[name].id, values }),
    away: () => order({ do: 'away' }),
    back: () => order({ do: 'back' }),
    async stop() {
      child.stdin.end()
      await ended
      process.off('exit', end)
    },
  }
}
