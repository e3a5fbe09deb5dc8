/** What a page has to load (spec: at most 40 KB, compressed, with everything that it needs for protobuf). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { root } from '../architecture/checkout.js'

const limit_bytes = 40 * 1024

test('the client library for browsers is one file of at most 40 KB, compressed', async () => {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['client/index.ts'],
    ...{ bundle: true, minify: true, format: 'esm', target: 'es2022', platform: 'browser' },
    ...{ write: false, metafile: true },
  })
  const bytes = gzipSync(outputFiles[0]!.contents).length
  assert.ok(bytes <= limit_bytes, `${bytes} bytes`)
  const foreign = Object.keys(metafile.inputs).filter((path) => !path.startsWith('client/'))
  assert.deepEqual(foreign, [], 'it needs nothing but itself')
})
