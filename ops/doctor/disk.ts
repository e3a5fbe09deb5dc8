/** Whether there is room where this machine's processes write. The disks of Kafka and PostgreSQL are theirs to watch. */
import type { DiskFacts } from '../ports.js'
import { doubtful, type Finding, ok, wrong } from './finding.js'

const mebibyte = 1024 * 1024
/** Of uploads, a gibibyte may be minutes. */
const least = {
  wrong: { bytes: 128 * mebibyte, share: 0.01 },
  doubtful: { bytes: 1024 * mebibyte, share: 0.05 },
}

const isBelow = ({ free_bytes, total_bytes }: DiskFacts, limit: { bytes: number; share: number }): boolean =>
  free_bytes < Math.min(limit.bytes, total_bytes / 2) || free_bytes < limit.share * total_bytes

/** What is to be said of the disk of one folder that a setting names. */
export function diskFinding(facts: DiskFacts): Finding {
  const { setting, folder, free_bytes, total_bytes } = facts
  const mebibytes = (bytes: number) => `${Math.floor(bytes / mebibyte)} MiB`
  const says = `${setting} (${folder}): ${mebibytes(free_bytes)} of ${mebibytes(total_bytes)} are free`
  const remedy = 'make room, or add to it: when it is full, uploads are answered with 507'
  if (isBelow(facts, least.wrong)) return wrong('disk', says, remedy)
  return isBelow(facts, least.doubtful) ? doubtful('disk', says, remedy) : ok('disk', says)
}
