/**
 * Messages that the business's webhook is asked about before they are stored. One that is stored already is not asked
 * about again: it counts with what was stored, and its repeat is recognised by what the sender sent.
 */
import type { CopyKey, MessageReader, NewMessage } from '../ports/messages.js'
import type { BeforeSend, Draft } from '../ports/webhooks.js'

export interface ApprovalPorts {
  readonly messages: MessageReader
  /** Undefined: nobody is asked. */
  readonly beforeSend: BeforeSend | undefined
}

/** What is to be stored, with what the sender sent where that is something else; or what the sender is answered. */
export type Approved =
  | Pick<NewMessage, 'msg_data' | 'attach' | 'mention' | 'sent'>
  | { readonly refused: number }

const keyOf = ({ from_user_id, msg_id, conversation }: Draft): CopyKey => ({
  reader_user_id: from_user_id,
  from_user_id,
  msg_id,
  conversation,
  server_msg_id: 0,
})

/** What makes two drafts one and the same. */
const nameOf = ({ from_user_id, to_session_id, msg_id, msg_data, attach }: Draft): string =>
  JSON.stringify([from_user_id, to_session_id, msg_id, attach, Buffer.from(msg_data).toString('latin1')])

/**
 * One answer per draft, in order. Two of one batch with the same msg_id are asked about once.
 * @throws where the database is ill
 */
export async function approve(
  drafts: readonly Draft[],
  messages: MessageReader,
  beforeSend: BeforeSend,
): Promise<readonly Approved[]> {
  const stored = await messages.of(drafts.map(keyOf))
  const fresh = new Map(
    drafts.filter((_, at) => stored[at] === undefined).map((draft) => [nameOf(draft), draft] as const),
  )
  const answers = await beforeSend.judge([...fresh.values()])
  const verdicts = new Map([...fresh.keys()].map((name, at) => [name, answers[at]]))
  return drafts.map((draft, at): Approved => {
    const { msg_data, attach, mention } = draft
    const sent = { msg_data, attach, mention }
    const before = stored[at]
    if (before !== undefined)
      return { msg_data: before.msg_data, attach: before.attach, mention: before.mention, sent }
    const verdict = verdicts.get(nameOf(draft)) ?? { kind: 'allow' }
    if (verdict.kind === 'refuse') return { refused: verdict.res_code }
    if (verdict.kind === 'allow') return { ...sent, sent: undefined }
    return {
      msg_data: verdict.msg_data ?? msg_data,
      attach: verdict.attach === undefined ? attach : verdict.attach,
      mention,
      sent,
    }
  })
}
