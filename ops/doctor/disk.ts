/** Whether there is room where this machine's processes write. PostgreSQL's disk is its own to watch. */
import type { DiskFacts, Room } from '../ports.js'
import { doubtful, type Finding, ok, wrong } from './finding.js'

const mebibyte = 1024 * 1024
/** Of uploads, a gibibyte may be minutes. */
const least = {
  wrong: { bytes: 128 * mebibyte, share: 0.01 },
  doubtful: { bytes: 1024 * mebibyte, share: 0.05 },
}

const isBelow = ({ free_bytes, total_bytes }: Room, limit: { bytes: number; share: number }): boolean =>
  free_bytes < Math.min(limit.bytes, total_bytes / 2) || free_bytes < limit.share * total_bytes

/** What is to be said of the room that there is. @param remedy where it is too little */
export function roomFinding(where: string, room: Room, remedy: string): Finding {
  const mebibytes = (bytes: number) => `${Math.floor(bytes / mebibyte)} MiB`
  const says = `${where}: ${mebibytes(room.free_bytes)} of ${mebibytes(room.total_bytes)} are free`
  if (isBelow(room, least.wrong)) return wrong('disk', says, remedy)
  return isBelow(room, least.doubtful) ? doubtful('disk', says, remedy) : ok('disk', says)
}

/** What is to be said of the disk of one folder that a setting names. */
export const diskFinding = (facts: DiskFacts): Finding =>
  roomFinding(
    `${facts.setting} (${facts.folder})`,
    facts,
    'make room, or add to it: when it is full, uploads are answered with 507',
  )
