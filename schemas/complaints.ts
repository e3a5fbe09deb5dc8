/** What a value of the wrong kind is told, by settings and by the REST API alike. */
import { z } from 'zod'

const kinds: Readonly<Record<string, string>> = {
  int: 'a whole number',
  object: 'an object',
  array: 'a list',
  boolean: 'true or false',
}

/** "is missing: a string is needed" or "a number is needed"; the library's words for every other fault. */
z.config({
  customError(issue) {
    if (issue.code !== 'invalid_type') return undefined
    const kind = kinds[issue.expected] ?? `a ${issue.expected}`
    return issue.input === undefined ? `is missing: ${kind} is needed` : `${kind} is needed`
  },
})
