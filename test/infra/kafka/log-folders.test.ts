import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLogFolders } from '../../../infra/kafka/log-folders.js'

const int16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff]
const int64 = (value: number): number[] => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return [...bytes]
}
const text = (value: string): number[] => [value.length + 1, ...Buffer.from(value)]
const array = (...elements: number[][]): number[] => [elements.length + 1, ...elements.flat()]
/** One that nobody knows: number 9, two bytes. */
const tag = [1, 9, 2, 0xaa, 0xbb]

const answer = (error: number, ...folders: number[][]): Buffer =>
  Buffer.from([0, 0, 0, 0, 0, ...int16(error), ...array(...folders), 0])

test('folders are read, with what is skipped between them; one that is offline has no room', () => {
  const partition = [...Array<number>(21).fill(7), ...tag]
  const topic = [...text('im.t'), ...array(partition, partition), 0]
  const used = [...int16(0), ...text('/a'), ...array(topic), ...int64(5 * 2 ** 40), ...int64(3), ...tag]
  const offline = [...int16(56), ...text('/b'), ...array(), ...int64(-1), ...int64(-1), 0]
  const untold = [...int16(0), ...text('/c'), ...array(), ...int64(-1), ...int64(-1), 0]
  assert.deepEqual(readLogFolders(answer(0, used, offline, untold)), [
    { folder: '/a', offline: false, room: { total_bytes: 5 * 2 ** 40, free_bytes: 3 } },
    { folder: '/b', offline: true },
    { folder: '/c', offline: false },
  ])
})

test('who may not see them is told so, and any other fault is one', () => {
  assert.equal(readLogFolders(answer(31)), undefined)
  assert.throws(() => readLogFolders(answer(41)), /error 41/)
})
