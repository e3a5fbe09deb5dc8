import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { roleNames } from '../../infra/local/roles.js'
import { allWorkers } from '../../workers/main.js'
import { sourceFiles } from './checkout.js'
import { businesses, catalogue, parts, readersOf, writersOf } from './declarations.js'

const namesOf = (some: readonly { readonly name: string }[]) => some.map(({ name }) => name)

test('every topic is written by somebody', () => {
  assert.deepEqual(namesOf(catalogue.filter((topic) => writersOf(topic).length === 0)), [])
})

test('every topic is read by somebody, here or by businesses', () => {
  assert.deepEqual(namesOf(catalogue.filter((topic) => readersOf(topic).length === 0)), [])
})

test('what is written and read stands in the catalogue', () => {
  const declared = parts.flatMap(({ consumes, produces }) => [...consumes, ...produces])
  assert.deepEqual(namesOf(declared.filter((topic) => !catalogue.includes(topic))), [])
})

test('a topic that is not for businesses has one reading role, so that each event has one owner', () => {
  const shared = catalogue.filter(
    (topic) =>
      topic.external !== 'read' && readersOf(topic).filter((reader) => reader !== businesses).length > 1,
  )
  assert.deepEqual(namesOf(shared), [])
})

test('every worker is a consumer group of its own', () => {
  const names = namesOf(allWorkers)
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  )
})

test('every worker file is in the registry, and a worker is called as its file is', () => {
  const files = sourceFiles()
    .filter(({ path }) => /^workers\/[^/]+\.worker\.ts$/.test(path))
    .map(({ path }) => basename(path, '.worker.ts'))
  // delivery-check.worker.ts holds delivery-check-5s, -15s and -60s.
  const fileOf = (worker: string) => worker.replace(/-\d+s$/, '')
  assert.deepEqual([...new Set(namesOf(allWorkers).map(fileOf))].sort(), files.sort())
})

test('the starter knows every role', () => {
  const roles = namesOf(parts).filter((name) => name !== businesses)
  assert.deepEqual([...roleNames].sort(), roles.sort())
})

test('topics are dots and lower case', () => {
  assert.deepEqual(
    namesOf(catalogue).filter((name) => !/^[a-z0-9{}]+(\.[a-z0-9{}]+)+$/.test(name)),
    [],
  )
})
