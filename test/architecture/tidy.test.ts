/** Rules of the house that are read off the text. The length of functions and files is biome.json's part. */
import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { topics } from '../../schemas/topics.js'
import { type SourceFile, sourceFiles, withoutComments } from './checkout.js'

/** `path:line  text` of each line of code that matches, in files that the rule is for. */
function offences(applies: (path: string) => boolean, pattern: RegExp, code = withoutComments): string[] {
  return sourceFiles()
    .filter(({ path }) => applies(path))
    .flatMap(({ path, text }) =>
      code(text)
        .split('\n')
        .flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}  ${line.trim()}`] : [])),
    )
}

const inTests = (path: string) => path.startsWith('test/') || path.startsWith('bench/')
const escaped = (text: string) => text.replace(/[.{}]/g, '\\$&')

test('only the catalogue knows the names of topics', () => {
  const names = Object.values(topics).map(({ name }) => escaped(name).replace('\\{\\}', '[^\'"`]+'))
  const quoted = new RegExp(`['"\`](im\\.)?(${names.join('|')})['"\`]`)
  assert.deepEqual(
    offences((path) => !/^schemas\/(request-)?topics\.ts$/.test(path) && !inTests(path), quoted),
    [],
  )
})

test('only the table of commands knows their ids', () => {
  const ids = /\b0x0[1-8][0-9a-f]{2}\b/i
  assert.deepEqual(
    offences((path) => path !== 'schemas/packets.ts' && !inTests(path), ids),
    [],
  )
})

test('infra imports the ports of other rooms as types only', () => {
  const imported = /^import\s+(?!type\b)[^'"]*?from\s+'[./]+(workers|gateway)\/[^']+'/gm
  const values = sourceFiles()
    .filter(({ path }) => path.startsWith('infra/'))
    .flatMap(({ path, text }) => [...text.matchAll(imported)].map(([found]) => `${path}  ${found}`))
  assert.deepEqual(values, [])
})

test('ports hold types only', () => {
  const isPort = (path: string) => path.startsWith('workers/ports/') || path === 'gateway/ports.ts'
  const code = /^export (const|let|function|async|class|default|enum)\b/
  assert.deepEqual(offences(isPort, code), [])
})

test('no file is called manager, helper, util, data, info, process or do', () => {
  const vague = /(^|[-.])(managers?|helpers?|utils?|data|info|process|do|common|misc)([-.]|$)/
  const wordsOfTheWire = /msg-data|message-info/ // MSG_DATA, CIMMsgInfo
  const names = sourceFiles()
    .map(({ path }) => path)
    .filter((path) => vague.test(basename(path).replace(wordsOfTheWire, 'message')))
  assert.deepEqual(names, [])
})

test('no name that is exported holds manager, helper, util or misc', () => {
  const vague =
    /^export (?:const|function|async function|class|interface|type) \w*(?:[Mm]anager|[Hh]elper|[Uu]til|[Mm]isc)/
  assert.deepEqual(
    offences(() => true, vague),
    [],
  )
})

test('every file says what it is for before its first line of code, or at what it exports', () => {
  const silent = sourceFiles().filter(
    ({ path, text }) =>
      !path.endsWith('.test.ts') && !/^(#!.*\n)?\s*(\/\*\*|\/\/)/.test(text) && !documentsFirstExport(text),
  )
  assert.deepEqual(
    silent.map(({ path }) => path),
    [],
  )
})

const documentsFirstExport = (text: string) => /\*\/\nexport /.test(text)

test('an exported function has a sentence above it', () => {
  const bare = sourceFiles()
    .filter(({ path }) => !inTests(path))
    .flatMap(functionsWithoutComment)
  assert.deepEqual(bare, [])
})

/** A function that is the only export of its file is covered by the file's own sentence. */
function functionsWithoutComment({ path, text }: SourceFile): string[] {
  const exports = text.match(/^export (?!type|interface|\{|\*)/gm)?.length ?? 0
  const saysItself = /^(#!.*\n)?\s*(\/\*\*|\/\/)/.test(text)
  if (exports <= 1 && saysItself) return []
  const lines = text.split('\n')
  return lines.flatMap((line, at) =>
    /^export (async )?function /.test(line) && !/(\*\/|^\s*\/\/.*)$/.test(lines[at - 1] ?? '')
      ? [`${path}:${at + 1}  ${line}`]
      : [],
  )
}
