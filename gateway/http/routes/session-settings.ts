/** What a user sets for a session (spec 4): the same as SESSION_UPDATE_REQ. */
import { z } from 'zod'
import { CIM } from '../../../proto/index.js'
import { fieldLimits } from '../../../schemas/fields.js'
import { isGroupId } from '../../../schemas/ids.js'
import { commands } from '../../../schemas/packets.js'
import { topics } from '../../../schemas/topics.js'
import { text } from '../../../schemas/user-operations.js'
import { refusedRequest } from '../faults.js'
import { peerId, userPath } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const { CIMErrorCode, CIMSessionType } = CIM.Def

const status = z.literal([0, 1]).describe('1: deleted, until the next message')

const settingsChange = z
  .strictObject({
    is_pinned: z.boolean().optional(),
    is_muted: z.boolean().optional().describe('no push'),
    session_status: status.optional(),
    draft: text('bytes', fieldLimits.draft.max).optional().describe("'' removes it"),
    extend_data: text('bytes', fieldLimits.extend_data.max).optional().describe("'' removes it"),
  })
  .refine((change) => Object.keys(change).length > 0, 'names no setting')

const answeredSettings = z.object({
  session_id: z.string(),
  session_type: z.number(),
  session_status: z.number(),
  is_pinned: z.boolean(),
  is_muted: z.boolean(),
  draft: z.string().optional(),
  extend_data: z.string().optional(),
  updated_time: z.number().describe('seconds'),
})

export function sessionSettingsRoutes(api: Api, { calls }: Rest): void {
  api.patch(
    '/v1/users/:user_id/sessions/:peer',
    {
      config: { access: 'client' },
      schema: {
        tags: ['reading'],
        summary: 'Pin, mute, delete or annotate a session; a field that is missing stays',
        params: userPath.extend({ peer: peerId }),
        body: settingsChange,
        response: { 200: answeredSettings, ...failures },
      },
    },
    async (request) => {
      const { user_id, peer: session_id } = request.params
      const session_type = isGroupId(session_id)
        ? CIMSessionType.kCIM_SESSION_TYPE_GROUP
        : CIMSessionType.kCIM_SESSION_TYPE_SINGLE
      const { is_pinned = null, is_muted = null, session_status = null } = request.body
      const { draft = null, extend_data = null } = request.body
      const settings = { is_pinned, is_muted, session_status, draft, extend_data }
      const update = { user_id, session_type, session_id, ...settings }
      const { body } = await calls.ask(request, user_id, topics.requestSession, (origin) => ({
        origin,
        update,
        time: Date.now(),
      }))
      return settingsOf(commands.SESSION_UPDATE_RSP.type.decode(body))
    },
  )
}

/** @throws Fault where the worker refused */
function settingsOf({ session_id, session_type, result_code, settings }: CIM.List.CIMSessionUpdateRsp) {
  if (!settings)
    throw refusedRequest({
      command_id: commands.SESSION_UPDATE_REQ.id,
      seq_num: 0,
      result_code: result_code || CIMErrorCode.kCIM_ERR_INTERNAL,
      result_string: 'there is no such session',
    })
  return {
    session_id: String(session_id),
    session_type,
    session_status: settings.session_status,
    is_pinned: settings.is_pinned,
    is_muted: settings.is_muted,
    ...(settings.draft ? { draft: settings.draft } : {}),
    ...(settings.extend_data ? { extend_data: settings.extend_data } : {}),
    updated_time: settings.updated_time,
  }
}
