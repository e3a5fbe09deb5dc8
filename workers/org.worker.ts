/**
 * The org tree is imported whole, and read by version or searched (spec 1, 0x0620 … 0x0623; spec 4, `/v1/org`). An
 * import is answered after COMMIT with what it changed. Clients ask for news themselves (ADR 21).
 */
import type { coffeechat } from '../proto/index.js'
import { type OrgCall, parseOrgCall } from '../schemas/org-operations.js'
import { topics } from '../schemas/topics.js'
import { callIn, lookUp, unknownCall } from './kit/calls.js'
import { answerImport, answerOrg, type FoundInOrg, isPacket } from './kit/org-answers.js'
import { faultOf, type ImportedOrg, judgeImport } from './kit/org-rules.js'
import { defineWorker, type Place, save } from './kit/worker.js'
import type { OrgDirectory, OrgImport, OrgImports, OrgOutcome } from './ports/org.js'

type Requested = coffeechat.event.IOrgRequested

interface Ports {
  readonly org: OrgDirectory
  readonly orgImports: OrgImports
}

/** An import on its way into the tables. */
interface Row {
  readonly event: Requested
  readonly imported: ImportedOrg
}

export const org = defineWorker({
  name: 'org',
  consumes: topics.requestOrg,
  produces: [topics.gateOutbound],
  eventsAtOnce: 32,

  async load(events: readonly Requested[], { org }: Ports): Promise<ReadonlyMap<Requested, FoundInOrg>> {
    return lookUp(events, async (event) => {
      const call = parsed(event)
      return typeof call === 'string' ? undefined : look(event, call, org)
    })
  },

  decide(event, found) {
    const call = parsed(event)
    if (typeof call === 'string') return unknownCall(event, call)
    const seen = found.get(event)
    if (seen !== undefined) return [answerOrg(event, call, seen)]
    const imported = call.arguments as ImportedOrg
    const fault = faultOf(imported)
    return fault === undefined
      ? [save({ event, imported })]
      : [answerImport(event, { kind: 'refused', fault })]
  },

  save: (rows: readonly Row[], { orgImports }: Ports, places): Promise<readonly OrgOutcome[]> =>
    orgImports.apply(rows.map(({ imported }, at) => importOf(imported, places[at]!))),

  saved: ({ event }: Row, outcome: OrgOutcome) => [answerImport(event, outcome)],
})

const parsed = (event: Requested): OrgCall | string => callIn(event, parseOrgCall)

/** What a question finds; undefined for an import. App servers see all, users what they are part of. */
async function look(event: Requested, call: OrgCall, org: OrgDirectory): Promise<FoundInOrg | undefined> {
  if (call.operation === 'import') return undefined
  const { version, is_member } = await org.standing(event.origin.user_id)
  if (isPacket(event) && !is_member) return { kind: 'outside' }
  if (call.operation === 'search') {
    const { query, department_id, limit } = call.arguments
    return { kind: 'people', people: await org.search(version, { query, department_id, limit: limit + 1 }) }
  }
  const asked = call.arguments
  if (asked.version > version) return { kind: 'future', version }
  if (asked.version === version) return { kind: 'rows', rows: [], version }
  return { kind: 'rows', rows: await org.changedSince(asked.version, asked.limit + 1), version }
}

const importOf = (imported: ImportedOrg, { partition, offset, appended }: Place): OrgImport => ({
  place: `${partition}:${offset}:${appended}`,
  users: [...new Set(imported.members.map(({ user_id }) => user_id))],
  judge: (state) => judgeImport(imported, state),
})
