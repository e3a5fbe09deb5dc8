/** Whose fault a database error is: the event's (it would fail for ever) or the world's (it passes). */

const sqlState = (error: unknown): string => {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  const { code } = error
  // Errors of sockets carry a code too (ECONNREFUSED …); a SQLSTATE has five characters of this alphabet.
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : ''
}

/**
 * True where the event itself cannot be stored: SQLSTATE classes 22 (its values) and 23 (the constraints).
 * Everything else is the world's: 08, 40, 53, 57, 58, a broken connection, a timeout. Try again later.
 */
export const isEventFault = (error: unknown): boolean => /^2[23]/.test(sqlState(error))

/**
 * This server will not do what is asked, and another one may: it is a standby by now (25006), or going down (57P01 …
 * 57P03). Whoever connects again is led to the new one.
 */
export const isServerGone = (error: unknown): boolean => /^(25006|57P0[123])$/.test(sqlState(error))

/** The statement took too long and was cancelled: fewer rows at once may pass. */
export const isTooMuch = (error: unknown): boolean => sqlState(error) === '57014'

/** Another transaction was first with this key: judge the batch again (spec 2, "Single chat" 2). */
export const isUniqueViolation = (error: unknown): boolean => sqlState(error) === '23505'

/** The database of the URL does not exist. */
export const isMissingDatabase = (error: unknown): boolean => sqlState(error) === '3D000'

/** Somebody else has just created it: seen before the insert into the catalogue, or by its unique index. */
export const isDuplicateDatabase = (error: unknown): boolean =>
  sqlState(error) === '42P04' || isUniqueViolation(error)

const remedies: Readonly<Record<string, string>> = {
  '53100':
    "PostgreSQL's disk is full: make room there or add to it. Until then senders hear SERVER_BUSY and nothing acked is lost; it goes on by itself",
  '53300': 'PostgreSQL takes no more connections: lower DATABASE_POOL, or raise max_connections',
  '25006': 'PostgreSQL is read-only: DATABASE_URL leads to a standby',
}

/** What an operator has to do about it, in one sentence; undefined where the error speaks for itself. */
export const remedyOf = (error: unknown): string | undefined => remedies[sqlState(error)]
