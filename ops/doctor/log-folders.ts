/** Whether the brokers have room, and use all of their folders. A broker whose disk is full stops. */
import type { LogFolder } from '../ports.js'
import { roomFinding } from './disk.js'
import { type Finding, ok, wrong } from './finding.js'

const part = 'disk'
const page = 'docs/operate/kafka.md, "A full disk"'

/** @param folders undefined where the brokers do not tell */
export function logFolderFindings(folders: readonly LogFolder[] | undefined): Finding[] {
  if (folders === undefined)
    return [
      ok(
        part,
        'the brokers do not tell of theirs (Kafka 3.3 does, to who may Describe the cluster): watch them',
      ),
    ]
  return folders.flatMap(({ broker, folder, offline, room }) => {
    if (offline)
      return wrong(
        part,
        `broker ${broker} does not use ${folder} any more: that disk is full or broken`,
        `give it room, or another disk, and restart that broker (${page})`,
      )
    const remedy = `give it room, never by deleting files there: a broker whose disk is full stops (${page})`
    return room === undefined ? [] : roomFinding(`broker ${broker} (${folder})`, room, remedy)
  })
}
