import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rangeOf } from '../../../gateway/http/download.js'
import { isAllowed, isShown, typeOf } from '../../../gateway/http/sniff.js'
import { plainName } from '../../../gateway/http/upload.js'
import { filesNamedIn } from '../../../schemas/files.js'

const ranges: [string | undefined, number, ReturnType<typeof rangeOf>][] = [
  [undefined, 10, undefined],
  ['bytes=0-4', 10, { start: 0, end: 4 }],
  ['bytes=4-', 10, { start: 4, end: 9 }],
  ['bytes=4-99', 10, { start: 4, end: 9 }],
  ['bytes=-3', 10, { start: 7, end: 9 }],
  ['bytes=-30', 10, { start: 0, end: 9 }],
  ['bytes=10-', 10, 'beyond'],
  ['bytes=-0', 10, 'beyond'],
  ['bytes=5-4', 10, undefined],
  ['bytes=0-1,3-4', 10, undefined],
  ['bytes=-', 10, undefined],
  ['items=0-1', 10, undefined],
  ['bytes=99999999999999999-', 10, undefined],
]
for (const [header, size, range] of ranges)
  test(`of ${size} bytes ${header} is ${JSON.stringify(range) ?? 'the whole'}`, () => {
    assert.deepEqual(rangeOf(header, size), range)
  })

const box = (brand: string) => `\0\0\0\x20ftyp${brand}\0\0\0\0`
const types: [string, string][] = [
  ['\x89PNG\r\n\x1a\n', 'image/png'],
  ['\xff\xd8\xff\xe0', 'image/jpeg'],
  ['GIF89a', 'image/gif'],
  ['RIFF\0\0\0\0WEBPVP8 ', 'image/webp'],
  [box('avif'), 'image/avif'],
  [box('heic'), 'image/heic'],
  ['II*\0', 'image/tiff'],
  [`BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\0`, 'image/bmp'],
  ['BMW is a car, and no picture', 'application/octet-stream'],
  ['RIFF\0\0\0\0WAVEfmt ', 'audio/wav'],
  ['ID3\x04', 'audio/mpeg'],
  ['\xff\xfb\x90', 'audio/mpeg'],
  ['\xff\xf1\x50', 'audio/aac'],
  ['\xff\xfet\0e\0x\0t\0', 'application/octet-stream'],
  ['#!AMR\n', 'audio/amr'],
  ['fLaC', 'audio/flac'],
  [box('M4A '), 'audio/mp4'],
  ['OggS\0\x02OpusHead', 'audio/ogg'],
  ['OggS\0\x02\x80theora', 'video/ogg'],
  [box('isom'), 'video/mp4'],
  [box('qt  '), 'video/quicktime'],
  [box('3gp5'), 'video/3gpp'],
  ['\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm', 'video/webm'],
  ['%PDF-1.7', 'application/pdf'],
  ['PK\x03\x04', 'application/zip'],
  ['<svg xmlns="http://www.w3.org/2000/svg">', 'application/octet-stream'],
  ['<!doctype html><script>', 'application/octet-stream'],
  ['', 'application/octet-stream'],
]
for (const [head, mime] of types)
  test(`what begins with ${JSON.stringify(head.slice(0, 20))} is ${mime}`, () => {
    assert.equal(typeOf(Buffer.from(head, 'latin1')), mime)
    assert.equal(isShown(mime), !mime.startsWith('application/'))
  })

test('types are allowed by name, by kind, or all', () => {
  const allowed = (mime: string, ...list: string[]) => isAllowed(mime, list)
  assert.ok(allowed('image/png', 'audio/*', 'image/*'))
  assert.ok(allowed('application/pdf', 'application/pdf'))
  assert.ok(allowed('application/zip', '*'))
  assert.ok(!allowed('application/zip', 'image/*', 'application/pdf'))
  assert.ok(!allowed('image/png'))
})

const names: [string | undefined, string | null][] = [
  ['cat.png', 'cat.png'],
  ['../../etc/passwd', 'passwd'],
  ['C:\\pictures\\cat.png', 'cat.png'],
  ['a\r\nset-cookie: b\0\u202egnp.exe', 'aset-cookie: bgnp.exe'],
  ['🐈 猫.png', '🐈 猫.png'],
  ['..', null],
  ['', null],
  [undefined, null],
  ['猫'.repeat(100), '猫'.repeat(85)],
]
for (const [given, name] of names)
  test(`the name ${JSON.stringify(given)?.slice(0, 40)} is kept as ${JSON.stringify(name)?.slice(0, 40)}`, () => {
    assert.equal(plainName(given), name)
  })

const id = (digit: string) => digit.repeat(32)
const bodies: [string, string[]][] = [
  [JSON.stringify({ url: `/v1/files/${id('a')}`, size: 1 }), [id('a')]],
  [`{"url":"\\/v1\\/files\\/${id('b')}"}`, [id('b')]],
  [`see https://chat.example/v1/files/${id('c')}?expires=1 and /v1/files/${id('d')}`, [id('c'), id('d')]],
  [`/v1/files/${id('a')} /v1/files/${id('a')}/thumbnail`, [id('a')]],
  [`/v1/files/${id('a')}0`, []],
  [`/v1/files/${id('A')}`, []],
  [`/v1/files/${id('a').slice(1)}`, []],
  ['the files are in the computer', []],
  ['hello', []],
]
for (const [text, named] of bodies)
  test(`${text.slice(0, 50)} names ${named.length} files`, () => {
    assert.deepEqual(filesNamedIn(Buffer.from(text)), named)
  })

test('a message passes on twenty files at most, and bytes that are no text name none', () => {
  const many = Array.from({ length: 30 }, (_, n) => `/v1/files/${String(n).padStart(32, '0')}`).join(' ')
  assert.equal(filesNamedIn(Buffer.from(many)).length, 20)
  assert.deepEqual(filesNamedIn(Buffer.from(Array.from({ length: 256 }, (_, n) => n))), [])
})
