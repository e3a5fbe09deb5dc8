/**
 * The released code goes on while the migrations of the next release have run: they widen the schema, and what nobody
 * uses any more is dropped a release later (`npm run release-schemas` notes what is released).
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { schemaFile } from '../../../infra/postgres/dump.js'
import { type ReleasedSchema, readSchema, schemaBreaks } from './released-schema.js'

const file = join(import.meta.dirname, '../../../../test/infra/postgres/released-schema.json')
const released = JSON.parse(readFileSync(file, 'utf8')) as ReleasedSchema
const now = readSchema(readFileSync(schemaFile, 'utf8'))

test('no migration takes from the released code what it uses', () => {
  assert.ok(Object.keys(released.tables).length > 20 && Object.keys(released.functions).length > 10)
  assert.deepEqual(schemaBreaks(released, now), [])
})

const dump = `
CREATE TABLE im_a (
  id bigint NOT NULL,
  name text COLLATE "C",
  state smallint NOT NULL DEFAULT 0,
  CONSTRAINT im_a_pkey PRIMARY KEY (id)
) WITH (fillfactor=50);

CREATE OR REPLACE FUNCTION public.im_f(p_id bigint, p_names text[])
 RETURNS TABLE(id bigint, name text)
 LANGUAGE sql
`
const changes: readonly [title: string, from: string, to: string, says: readonly string[]][] = [
  ['nothing', 'im_a_pkey', 'im_a_pkey', []],
  ['a column that may be null', '  CONSTRAINT', '  more text,\n  CONSTRAINT', []],
  ['a column with a default', '  CONSTRAINT', '  more text NOT NULL DEFAULT now(),\n  CONSTRAINT', []],
  [
    'a column that has to be written',
    '  CONSTRAINT',
    '  more text NOT NULL,\n  CONSTRAINT',
    ['im_a.more: is new and has to be written'],
  ],
  ['a column less', '  name text COLLATE "C",\n', '', ['im_a.name: is gone']],
  ['another type', 'id bigint NOT', 'id numeric(9,2) NOT', ['im_a.id: was bigint, is numeric(9,2)']],
  ['null no more', 'COLLATE "C"', 'NOT NULL', ['im_a.name: may not be null any more']],
  ['no default any more', ' DEFAULT 0', '', ['im_a.state: has no default any more']],
  ['a table less', 'TABLE im_a (', 'TABLE im_b (', ['im_a: is gone']],
  ['a parameter with a default', 'p_names text[]', 'p_names text[], p_more integer DEFAULT 0', []],
  ['a parameter more', 'p_names text[]', 'p_names text[], p_more integer', ['im_f(): asks for more']],
  ['a parameter less', ', p_names text[]', '', ['im_f(): takes something else']],
  ['another parameter', 'p_id bigint', 'p_id text', ['im_f(): takes something else']],
  ['a column more in what it returns', 'name text)', 'name text, more text)', []],
  ['a column less in what it returns', ', name text)', ')', ['im_f(): no longer returns name text']],
  ['a function less', 'public.im_f', 'public.im_g', ['im_f(): is gone']],
]
for (const [title, from, to, says] of changes)
  test(`${title}: ${says.length > 0 ? 'a break' : 'fine'}`, () => {
    assert.ok(dump.includes(from))
    assert.deepEqual(schemaBreaks(readSchema(dump), readSchema(dump.replace(from, to))), says)
  })
