/** Files: who uploaded them, who may see them, which messages pass them on (migration 0015). */
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

// The update changes nothing: it makes the statement return the row that an earlier call made.
const day_ms = 86_400_000

const reserveFile = prepared<{ file_id: string; state: number }>(
  'file-reserve',
  `INSERT INTO im_file AS f (file_id, user_id, request_key, created)
   SELECT $1, u.user_id, $3, $4 FROM im_user u
    WHERE u.user_id = $2 AND u.active
      AND (EXISTS (SELECT FROM im_file k WHERE k.user_id = $2 AND k.request_key = $3)
           OR $5 + (SELECT coalesce(sum(d.size), 0) FROM im_file d
                     WHERE d.user_id = $2 AND d.state = 1 AND d.created > $4 - $7::bigint) <= $6)
   ON CONFLICT (user_id, request_key) DO UPDATE SET user_id = excluded.user_id
   RETURNING f.file_id, f.state`,
)

const findActive = prepared<object>('file-uploader', 'SELECT FROM im_user WHERE user_id = $1 AND active')

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

/** Writes on this pool; a repetition finds what the first one wrote. */
export const createFileChanges = (pool: Pool, dailyBytes: number): FileChanges => ({
  async reserve({ file_id, user_id, key, size = 0, time }): Promise<Reserved> {
    const limits = [size, dailyBytes, day_ms]
    const [reserved] = await reserveFile(pool, [file_id, user_id, key ?? null, time, ...limits])
    if (reserved === undefined)
      return (await findActive(pool, [user_id])).length === 0 ? 'no-such-user' : 'quota-used'
    if (reserved.state === 0) return { file_id: reserved.file_id }
    const [file] = await findStored(pool, [reserved.file_id, user_id])
    return file === undefined ? { file_id: reserved.file_id } : { file_id: file.file_id, file }
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
