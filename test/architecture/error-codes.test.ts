/** Every error that the REST API can answer is in docs/rest.md, with its status. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusedRequest, refusedSend } from '../../gateway/http/faults.js'
import { CIM } from '../../proto/index.js'
import { read, sourceFiles, withoutComments } from './checkout.js'

const { CIMErrorCode, CIMResCode } = CIM.Def

const numbersOf = (values: object): number[] =>
  Object.values(values).filter((value) => typeof value === 'number')

/** Words of the wire that a login or a socket is answered, and no call. */
const notOverHttp = /^(LOGIN_|SUCCSSE|OK$|UNKNOWN_COMMAND|UNSUPPORTED_VERSION)/

function answered(): string[] {
  const inCode = sourceFiles()
    .filter(({ path }) => /^(gateway\/http|workers)\//.test(path))
    .flatMap(({ text }) => [
      ...withoutComments(text).matchAll(
        /(?:\bFault\(|\bhttpRefusal\(\s*\w+,|\bfailed?\(|\brefuse\(\s*\w+,)\s*(\d{3}),\s*'([A-Z_]+)'/g,
      ),
    ])
    .map(([, status, code]) => `| ${status} | \`${code}\` |`)
  const ofTheWire = [
    ...numbersOf(CIMResCode).map((code) => refusedSend(code)),
    ...numbersOf(CIMErrorCode).map((result_code) =>
      refusedRequest({ command_id: 0, seq_num: 0, result_code, result_string: '' }),
    ),
  ]
    .filter(({ code }) => !notOverHttp.test(code))
    .map(({ status, code }) => `| ${status} | \`${code}\` |`)
  return [...new Set([...inCode, ...ofTheWire])].sort()
}

test('docs/rest.md has every error of the REST API', () => {
  const page = read('docs/rest.md')
  const all = answered()
  assert.ok(all.length > 20, `only ${all.length} were found`)
  assert.deepEqual(
    all.filter((row) => !page.includes(row)),
    [],
  )
})
