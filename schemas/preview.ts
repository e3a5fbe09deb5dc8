/** What a notification shows of a message (spec 1-wire, "What is in msg_data"). */
import { CIM } from '../proto/index.js'

const { CIMMsgType } = CIM.Def

const placeholders: Readonly<Record<number, string>> = {
  [CIMMsgType.kCIM_MSG_TYPE_IMAGE]: '[picture]',
  [CIMMsgType.kCIM_MSG_TYPE_Audio]: '[audio]',
  [CIMMsgType.kCIM_MSG_TYPE_VIDEO]: '[video]',
  [CIMMsgType.kCIM_MSG_TYPE_LOCATION]: '[location]',
  [CIMMsgType.kCIM_MSG_TYPE_FILE]: '[file]',
  [CIMMsgType.kCIM_MSG_TYPE_NOTIFICATION]: '[notification]',
}
const placeholder = '[message]'
const texts: readonly number[] = [CIMMsgType.kCIM_MSG_TYPE_TEXT, CIMMsgType.kCIM_MSG_TYPE_TIPS]

const longest_characters = 100
/** No text of the longest preview is longer than this, unless its characters are composed of very many parts. */
const longest_bytes = 4_096

const utf8 = new TextDecoder('utf-8', { fatal: true })
const characters = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** The text on one line, cut after 100 characters as a reader counts them; a word for what is no text. */
export function previewOf(msg_type: number, msg_data: Uint8Array): string {
  if (!texts.includes(msg_type)) return placeholders[msg_type] ?? placeholder
  const text = textOf(msg_data)?.replace(/\s+/g, ' ').trim()
  return text ? cut(text) : placeholder
}

/** Undefined where it is not UTF-8. A long one is cut between two characters of it. */
function textOf(msg_data: Uint8Array): string | undefined {
  let end = Math.min(msg_data.length, longest_bytes)
  while (end < msg_data.length && end > 0 && ((msg_data[end] ?? 0) & 0xc0) === 0x80) end--
  try {
    return utf8.decode(msg_data.subarray(0, end))
  } catch {
    return undefined
  }
}

function cut(text: string): string {
  let count = 0
  for (const { index } of characters.segment(text)) {
    if (count === longest_characters) return `${text.slice(0, index)}…`
    count += 1
  }
  return text
}
