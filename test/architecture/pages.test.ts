/** What the pages for people point to is there: other pages and their headings, commands, scripts, roles. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { roleNames } from '../../infra/local/roles.js'
import { readCommandLine } from '../../ops/command-line.js'
import { read, root } from './checkout.js'

const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'client/README.md',
  'bench/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
]

const withoutCode = (page: string): string => page.replaceAll(/^```.*?^```$/gms, '')

/** The anchors of a page's headings, as they are made where pages are read. */
const anchorsOf = (page: string): string[] =>
  [...withoutCode(read(page)).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

test('every link leads to a file, and to a heading of it', () => {
  for (const page of pages)
    for (const [, path = '', anchor] of withoutCode(read(page)).matchAll(
      /\]\((?!https?:|\/)([^)#\s]*)(?:#([^)\s]+))?\)/g,
    )) {
      const target = path === '' ? page : join(dirname(page), path)
      assert.ok(existsSync(join(root, target)), `${page} links to ${target}`)
      if (anchor !== undefined)
        assert.ok(anchorsOf(target).includes(anchor), `${page} links to ${target}#${anchor}`)
    }
})

/** What stands for something of the reader's. */
const examples: Readonly<Record<string, string>> = { GROUP: 'delivery', TOPIC: 'a.b', TIME: '2h', N: '1' }

test('every operator’s command in a page is one', () => {
  let commands = 0
  for (const page of pages.filter((each) => each !== 'CHANGELOG.md'))
    for (const [, words = ''] of read(page).matchAll(/npm run ops -- ([^`\n#]*)/g)) {
      const given = words
        .replace(/(, |; |: | shows| lists).*$/, '')
        .trim()
        .split(/\s+/)
        .filter((word) => word !== '' && word !== '…' && word !== '<command>')
        .map((word) => examples[word] ?? word)
      assert.doesNotThrow(() => readCommandLine(given, Date.now()), `${page}: npm run ops -- ${words}`)
      commands += 1
    }
  assert.ok(commands > 20)
})

test('every script that a page calls is in package.json', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  for (const page of pages)
    for (const [, script = ''] of read(page).matchAll(/\bnpm run (?:--silent )?([a-z][a-z-]*)/g))
      assert.ok(Object.hasOwn(scripts, script), `${page}: npm run ${script}`)
})

test('every role that a page starts is one', () => {
  for (const page of pages)
    for (const [, roles = ''] of read(page).matchAll(/main\.js --roles ([a-z0-9,-]+)/g))
      for (const role of roles.split(','))
        assert.ok(role === 'all' || roleNames.some((each) => each === role), `${page}: --roles ${roles}`)
})
