/** What PostgreSQL itself counts of tables that are read from end to end, what functions do inside included. */
import assert from 'node:assert/strict'
import type pg from 'pg'

/** Often enough that the server settles on one plan for all values. */
const repeats = 8

/**
 * Watches the tables whose names match.
 * @param pool of one connection: its counters are flushed when asked for
 * @param names patterns of LIKE
 */
export function watchScans(pool: pg.Pool, names: readonly string[]) {
  async function fullScans(): Promise<Record<string, number>> {
    await pool.query('SELECT pg_stat_force_next_flush()')
    const { rows } = await pool.query<{ relname: string; seq_scan: number }>({
      text: `SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname LIKE ANY ($1) ORDER BY relname`,
      values: [names],
    })
    return Object.fromEntries(rows.map((row) => [row.relname, row.seq_scan]))
  }
  return {
    /** Fails where a watched table is read from end to end. @param query is run again and again with n = 1, 2 … */
    async findsByIndex(query: (n: number) => Promise<unknown>): Promise<void> {
      const earlier = await fullScans()
      for (let n = 1; n <= repeats; n++) await query(n)
      assert.deepEqual(await fullScans(), earlier)
    },
  }
}
