import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCommandLine } from '../../ops/command-line.js'
import { Refusal } from '../../ops/refusal.js'

const now = Date.UTC(2026, 4, 4, 12)

const understood: readonly [words: string, command: object][] = [
  ['topics', { name: 'topics' }],
  ['doctor', { name: 'doctor' }],
  ['', { name: 'help' }],
  ['dlq --help', { name: 'help' }],
  ['dlq list', { name: 'dlq list', topic: undefined }],
  ['dlq list a.b', { name: 'dlq list', topic: 'a.b' }],
  ['dlq show a.b --bodies', { name: 'dlq show', topic: 'a.b', chosen: 'all', bodies: true }],
  ['dlq resend a.b --offset 3 --offset 5', { name: 'dlq resend', topic: 'a.b', chosen: [3, 5] }],
  ['dlq drop a.b --all', { name: 'dlq drop', topic: 'a.b', chosen: 'all' }],
  ['replay delivery --from 2h', { name: 'replay', group: 'delivery', from: now - 7_200_000, dryRun: false }],
  [
    'replay delivery --from 2026-05-04T11:59:00Z --dry-run',
    { name: 'replay', group: 'delivery', from: now - 60_000, dryRun: true },
  ],
  ['skip delivery --dry-run', { name: 'skip', group: 'delivery', dryRun: true }],
  ['restored --from 2h', { name: 'restored', from: now - 7_200_000, dryRun: false }],
  ['restored --dry-run', { name: 'restored', from: undefined, dryRun: true }],
  ['renumber', { name: 'renumber' }],
]

for (const [words, command] of understood)
  test(`"${words}" is understood`, () => {
    assert.deepEqual(readCommandLine(words.split(' ').filter(Boolean), now), { command, json: false })
  })

const refused: readonly [words: string, reason: RegExp][] = [
  ['topic', /no command topic.*topics, dlq, replay, skip, restored, renumber, doctor/],
  ['skip', /skip needs a GROUP/],
  ['skip delivery --from 2h', /skip takes no --from/],
  ['restored --from 2027-01-01', /in the future/],
  ['restored delivery', /one word too many/],
  ['renumber --dry-run', /renumber takes no --dry-run/],
  ['topics now', /now is one word too many/],
  ['topics --all', /topics takes no --all/],
  ['topics --jsn', /Unknown option '--jsn'/],
  ['dlq', /one of list, show, resend, drop$/],
  ['dlq delete a.b', /not delete/],
  ['dlq resend', /needs a TOPIC/],
  ['dlq resend a.b --offset x', /--offset x is no offset/],
  ['dlq resend a.b --offset -1', /offset/],
  ['dlq drop a.b', /--offset N for one dead letter, or --all/],
  ['replay', /needs a GROUP/],
  ['replay delivery', /needs --from TIME/],
  ['replay delivery --from yesterday', /--from yesterday is no time: write 2026/],
  ['replay delivery --from 5', /is no time/],
  ['replay delivery --from 2027-01-01', /in the future/],
]

for (const [words, reason] of refused)
  test(`"${words}" is refused`, () => {
    assert.throws(
      () => readCommandLine(words.split(' '), now),
      (error) => error instanceof Refusal && reason.test(error.message),
    )
  })

test('--json asks for one value', () => {
  assert.equal(readCommandLine(['topics', '--json'], now).json, true)
})
