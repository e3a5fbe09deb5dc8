/** What a file is, by its first bytes: its name and what the uploader calls it count for nothing (spec 4, files). */

/** Bytes that are needed to tell. */
export const sniffed_bytes = 512

/** Whatever browsers do not show by themselves. */
export const unknownType = 'application/octet-stream'

type Rule = readonly [mime: string, matches: (head: Buffer) => boolean]

const ascii = (head: Buffer, at: number, length: number): string => head.toString('latin1', at, at + length)
const begins =
  (...bytes: readonly number[]) =>
  (head: Buffer): boolean =>
    bytes.every((byte, at) => head[at] === byte)
const says =
  (text: string, at = 0) =>
  (head: Buffer): boolean =>
    ascii(head, at, text.length) === text
const holds =
  (start: (head: Buffer) => boolean, ...words: readonly string[]) =>
  (head: Buffer): boolean =>
    start(head) && words.some((word) => head.includes(word, 0, 'latin1'))
const riff = (kind: string) => (head: Buffer) => says('RIFF')(head) && says(kind, 8)(head)
const brand = (pattern: RegExp) => (head: Buffer) => says('ftyp', 4)(head) && pattern.test(ascii(head, 8, 4))
const ebml = begins(0x1a, 0x45, 0xdf, 0xa3)
const ogg = says('OggS')

/** Two letters are no proof: the header behind them has one of its few lengths. */
const isBmp = (head: Buffer): boolean =>
  says('BM')(head) && head.length > 18 && [12, 40, 52, 56, 64, 108, 124].includes(head.readUInt32LE(14))
/** MPEG audio, layer III, without a tag before it. */
const isMp3 = (head: Buffer): boolean => head[0] === 0xff && ((head[1] ?? 0) & 0xe6) === 0xe2

/** The first that matches. */
const rules: readonly Rule[] = [
  ['image/png', begins(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)],
  ['image/jpeg', begins(0xff, 0xd8, 0xff)],
  ['image/gif', (head) => says('GIF87a')(head) || says('GIF89a')(head)],
  ['image/webp', riff('WEBP')],
  ['image/avif', brand(/^avi[fs]$/)],
  ['image/heic', brand(/^(hei[cxms]|hev[cx]|mif1|msf1)$/)],
  ['image/tiff', (head) => says('II*\0')(head) || says('MM\0*')(head)],
  ['image/bmp', isBmp],
  ['audio/wav', riff('WAVE')],
  ['audio/mpeg', (head) => says('ID3')(head) || isMp3(head)],
  ['audio/aac', (head) => head[0] === 0xff && ((head[1] ?? 0) & 0xf6) === 0xf0],
  ['audio/amr', says('#!AMR')],
  ['audio/flac', says('fLaC')],
  ['audio/mp4', brand(/^M4[AB] $/)],
  ['video/ogg', holds(ogg, 'theora')],
  ['audio/ogg', holds(ogg, 'OpusHead', 'vorbis', 'Speex', 'FLAC')],
  ['video/quicktime', brand(/^qt {2}$/)],
  ['video/3gpp', brand(/^3g/)],
  ['video/mp4', brand(/^(iso|mp4|avc1|M4V|dash|f4v)/)],
  ['video/webm', holds(ebml, 'webm')],
  ['video/x-matroska', holds(ebml, 'matroska')],
  ['video/x-msvideo', riff('AVI ')],
  ['application/pdf', says('%PDF-')],
  ['application/zip', begins(0x50, 0x4b, 0x03, 0x04)],
]

/** The media type of what begins so. SVG and HTML are text that runs: they are of unknown type. */
export const typeOf = (head: Buffer): string => rules.find(([, matches]) => matches(head))?.[0] ?? unknownType

/** Raster images, audio and video may be shown in a page; anything else is only ever saved. */
export const isShown = (mime: string): boolean => /^(image|audio|video)\//.test(mime)

/** @param allowed media types, `image/*` or `*` */
export const isAllowed = (mime: string, allowed: readonly string[]): boolean =>
  allowed.some(
    (each) => each === '*' || each === mime || (each.endsWith('/*') && mime.startsWith(each.slice(0, -1))),
  )
