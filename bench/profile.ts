/**
 * Preloaded into a process (`node --import …/profile.js?into=FOLDER`): SIGUSR2 begins a CPU profile,
 * the next one ends it and writes FOLDER/1.cpuprofile, 2.cpuprofile …
 */
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join } from 'node:path'

const folder = new URL(import.meta.url).searchParams.get('into')
const sampleEvery_us = 500
let session: Session | undefined
let written = 0

function begin(): Session {
  const opened = new Session()
  opened.connect()
  opened.post('Profiler.enable')
  opened.post('Profiler.setSamplingInterval', { interval: sampleEvery_us })
  opened.post('Profiler.start')
  return opened
}

function end(running: Session): void {
  running.post('Profiler.stop', (_error, { profile }) => {
    written += 1
    writeFileSync(join(folder ?? '.', `${written}.cpuprofile`), JSON.stringify(profile))
    running.disconnect()
  })
}

if (folder !== null)
  process.on('SIGUSR2', () => {
    if (session === undefined) session = begin()
    else {
      end(session)
      session = undefined
    }
  })
