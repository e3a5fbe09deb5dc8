/** Files: who uploaded them, who may see them, which messages pass them on (migrations 0015 and 0023). */
import type { Pool } from 'pg'
import type {
  FileChanges,
  FileDirectory,
  FileMentions,
  Reserved,
  StoredFile,
  UnusedFiles,
} from '../../workers/ports/files.js'
import { prepared } from './pool.js'

const columns = 'f.file_id, f.user_id, f.name, f.mime, f.size, f.width, f.height, f.has_thumbnail, f.created'

const findFiles = prepared<StoredFile & { question: number }>(
  'files-seen',
  `SELECT q.o::integer AS question, ${columns}
     FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY q(i, u, o)
     JOIN im_file f ON f.file_id = q.i AND f.state = 1
    WHERE q.u IS NULL OR im_sees_file(q.u, q.i)`,
)

/** Reads on this pool. */
export const createFileDirectory = (pool: Pool): FileDirectory => ({
  async look(asked) {
    const rows = await findFiles(pool, [
      asked.map(({ file_id }) => file_id),
      asked.map(({ user_id }) => user_id ?? null),
    ])
    const found = new Map(rows.map(({ question, ...file }) => [question, file]))
    return asked.map((_, at) => found.get(at + 1))
  },
})

const reserveFile = prepared<{
  refused: 'no-such-user' | 'quota-used' | null
  file_id: string
  state: number
}>('file-reserve', 'SELECT refused, file_id, state FROM im_reserve_file($1, $2, $3, $4, $5, $6, $7, $8)')

// While another attempt under the same key is under way, the size stays reserved for that.
const releaseFile = prepared(
  'file-release',
  `UPDATE im_file SET attempts = attempts - 1, size = CASE WHEN attempts > 1 THEN size ELSE 0 END
    WHERE file_id = $1 AND user_id = $2 AND state = 0 AND attempts > 0`,
)

const findStored = prepared<StoredFile>(
  'file-stored',
  `SELECT ${columns} FROM im_file f WHERE f.file_id = $1 AND f.user_id = $2 AND f.state = 1`,
)

const keepFile = prepared<StoredFile>(
  'file-keep',
  `UPDATE im_file f
      SET state = 1, name = $3, mime = $4, size = $5, width = $6, height = $7, has_thumbnail = $8, created = $9
    WHERE f.file_id = $1 AND f.user_id = $2 AND f.state = 0
   RETURNING ${columns}`,
)

const day_ms = 86_400_000
/** Between the end of an upload and what is said of it. */
const slack_ms = 60_000

export interface UploadLimits {
  /** What one user may upload within 24 hours. */
  readonly dailyBytes: number
  /** How long one upload may take: for so long its size is reserved. */
  readonly longest_ms: number
}

/** Writes on this pool; a repetition finds what the first one wrote. */
export const createFileChanges = (pool: Pool, { dailyBytes, longest_ms }: UploadLimits): FileChanges => ({
  async reserve({ file_id, user_id, key, size = 0, time }): Promise<Reserved> {
    const limits = [size, dailyBytes, time - day_ms, time - longest_ms - slack_ms]
    const [reserved] = await reserveFile(pool, [file_id, user_id, key ?? null, time, ...limits])
    if (reserved === undefined) throw new Error('im_reserve_file gave no row')
    if (reserved.refused !== null) return reserved.refused
    if (reserved.state === 0) return { file_id: reserved.file_id }
    const [file] = await findStored(pool, [reserved.file_id, user_id])
    return file === undefined ? { file_id: reserved.file_id } : { file_id: file.file_id, file }
  },

  async release({ file_id, user_id }) {
    await releaseFile(pool, [file_id, user_id])
  },

  async keep({ file_id, user_id, name, mime, size, width, height, has_thumbnail }, time) {
    const described = [name, mime, size, width, height, has_thumbnail, time]
    const [kept] = await keepFile(pool, [file_id, user_id, ...described])
    return kept ?? (await findStored(pool, [file_id, user_id]))[0]
  },
})

/** Writes on this pool. */
export const createFileMentions = (pool: Pool): FileMentions => ({
  async record(mentions) {
    if (mentions.length === 0) return
    await pool.query('SELECT im_name_files($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])', [
      mentions.map((each) => each.file_id),
      mentions.map((each) => each.from_user_id),
      mentions.map((each) => each.to_session_id),
      mentions.map((each) => each.server_msg_id),
    ])
  },
})

/** Reads and writes on this pool. */
export const createUnusedFiles = (pool: Pool): UnusedFiles => ({
  // Those that an earlier sweep took and did not finish come again.
  async take(before, limit) {
    const { rows } = await pool.query<{ file_id: string }>(
      `UPDATE im_file SET state = 2 WHERE file_id IN (
         SELECT file_id FROM im_file WHERE NOT named AND created < $1
          ORDER BY created LIMIT $2 FOR UPDATE SKIP LOCKED)
       RETURNING file_id`,
      [before, limit],
    )
    return rows.map(({ file_id }) => file_id)
  },

  async forget(fileIds) {
    await pool.query('DELETE FROM im_file WHERE file_id = ANY ($1) AND state = 2', [fileIds])
  },
})
