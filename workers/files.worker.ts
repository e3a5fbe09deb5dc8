/** Who has uploaded what, and who may see it; the bytes themselves never come by here (spec 4, files). */
import type { coffeechat } from '../proto/index.js'
import { type FileAnswer, type FileCall, parseFileCall } from '../schemas/files.js'
import { topics } from '../schemas/topics.js'
import { httpAnswer } from './kit/answers.js'
import { callIn, httpRefusal } from './kit/calls.js'
import { defineWorker, type EmitOf, reject, save } from './kit/worker.js'
import type { FileChanges, FileDirectory, Reserved, StoredFile } from './ports/files.js'

type Requested = coffeechat.event.IFileRequested
type Answer = EmitOf<typeof topics.gateOutbound>

interface Ports {
  readonly files: FileDirectory
  readonly fileChanges: FileChanges
}

/** A change on its way into the tables. */
interface Row {
  readonly event: Requested
  readonly call: Exclude<FileCall, { operation: 'look' }>
}

export const files = defineWorker({
  name: 'files',
  consumes: topics.requestFile,
  produces: [topics.gateOutbound],

  async load(events: readonly Requested[], { files }: Ports) {
    const looks = events.flatMap((event) => {
      const call = parsed(event)
      return typeof call !== 'string' && call.operation === 'look' ? [{ event, asked: call.arguments }] : []
    })
    if (looks.length === 0) return new Map<Requested, StoredFile>()
    const found = await files.look(looks.map(({ asked }) => asked))
    return new Map(looks.flatMap(({ event }, at) => (found[at] ? [[event, found[at]] as const] : [])))
  },

  decide(event, seen: ReadonlyMap<Requested, StoredFile>) {
    const call = parsed(event)
    if (typeof call === 'string')
      return [httpRefusal(event, 500, 'INTERNAL', 'this server does not know the call'), reject(call)]
    if (call.operation === 'look') {
      const file = seen.get(event)
      return [file === undefined ? notFound(event) : ok(event, { file })]
    }
    return [save({ event, call })]
  },

  save: (rows: readonly Row[], { fileChanges }: Ports) =>
    Promise.all(
      rows.map(async ({ event, call }): Promise<Reserved | StoredFile | undefined> => {
        if (call.operation === 'keep') return fileChanges.keep(call.arguments, event.time)
        if (call.operation === 'release') {
          await fileChanges.release(call.arguments)
          return { file_id: call.arguments.file_id }
        }
        const key = event.idempotency_key || undefined
        return fileChanges.reserve({ ...call.arguments, key, time: event.time })
      }),
    ),

  saved({ event, call }: Row, result: Reserved | StoredFile | undefined) {
    if (result === undefined) return [notFound(event)]
    if (result === 'no-such-user')
      return [
        httpRefusal(event, 404, 'USER_NOT_FOUND', 'there is no such user, or it is deactivated', 'user_id'),
      ]
    if (result === 'quota-used')
      return [
        httpRefusal(
          event,
          429,
          'UPLOAD_QUOTA_USED',
          'this user has uploaded too much within 24 hours',
          'file',
        ),
      ]
    return [ok(event, call.operation === 'keep' ? { file: result as StoredFile } : (result as FileAnswer))]
  },
})

const parsed = (event: Requested): FileCall | string => callIn(event, parseFileCall)

const ok = ({ origin }: Requested, answer: FileAnswer): Answer => httpAnswer(origin, 200, answer)

/** The same whether it is not there or not theirs: an id tells nothing to who may not see its file. */
const notFound = (event: Requested): Answer =>
  httpRefusal(event, 404, 'FILE_NOT_FOUND', 'there is no such file, or it is not yours to see')
