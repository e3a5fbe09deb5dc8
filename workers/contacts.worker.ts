/**
 * Friends and blocklists are changed and read, and users listed (spec 1, 0x0601 … 0x0615). A change is answered after
 * COMMIT, and told to the devices of everybody whose list it changed.
 */
import type { coffeechat } from '../proto/index.js'
import {
  type ContactCall,
  type ContactChangeCall,
  parseContactCall,
  userListLimit,
} from '../schemas/contact-operations.js'
import { topics } from '../schemas/topics.js'
import { callIn, lookUp, unknownCall } from './kit/calls.js'
import {
  type AskedOfContacts,
  answerContacts,
  answerFound,
  type FoundContacts,
  reportContacts,
  tellOwners,
} from './kit/contact-answers.js'
import { judgeContact } from './kit/contact-rules.js'
import { defineWorker, save } from './kit/worker.js'
import type { ContactChanges, ContactDirectory, ContactOutcome, ContactRequest } from './ports/contacts.js'
import type { Presence, PresentDevice } from './ports/presence.js'

type Requested = coffeechat.event.IContactRequested

interface Ports {
  readonly contacts: ContactDirectory
  readonly contactChanges: ContactChanges
  readonly presence: Presence
}

/** A change on its way into the tables. */
interface Row {
  readonly asked: AskedOfContacts
  readonly request: ContactRequest
}

interface Saved {
  readonly outcome: ContactOutcome
  /** Of everybody whose list changed. */
  readonly devices: readonly PresentDevice[]
}

export const contacts = defineWorker({
  name: 'contacts',
  consumes: topics.requestContact,
  produces: [topics.gateOutbound, topics.contactChanged],

  async load(events: readonly Requested[], ports: Ports): Promise<ReadonlyMap<Requested, FoundContacts>> {
    return lookUp(events, async (event) => {
      const call = parsed(event)
      return typeof call === 'string' ? undefined : look(call, ports.contacts)
    })
  },

  decide(event, found) {
    const call = parsed(event)
    if (typeof call === 'string') return unknownCall(event, call)
    const asked = { event, call }
    const seen = found.get(event)
    if (seen !== undefined) return [answerFound(asked, seen)]
    return [save({ asked, request: requestOf(event, call as ContactChangeCall) })]
  },

  async save(rows: readonly Row[], { contactChanges, presence }: Ports): Promise<readonly Saved[]> {
    const outcomes = await contactChanges.apply(rows.map(({ request }) => request))
    const owners = outcomes.flatMap(ownersOf)
    const present =
      owners.length === 0 ? new Map<number, readonly PresentDevice[]>() : await presence.of(owners)
    return outcomes.map((outcome) => ({
      outcome,
      devices: ownersOf(outcome).flatMap((user) => present.get(user) ?? []),
    }))
  },

  // A repeat emits all that a first one does: the first worker may have died between COMMIT and publishing.
  saved: ({ asked }: Row, { outcome, devices }: Saved) => [
    answerContacts(asked, outcome),
    ...tellOwners(asked, outcome, devices),
    ...reportContacts(outcome),
  ],
})

const parsed = (event: Requested): ContactCall | string => callIn(event, parseContactCall)

/** What a question finds; undefined for a change. */
async function look(call: ContactCall, directory: ContactDirectory): Promise<FoundContacts | undefined> {
  switch (call.operation) {
    case 'list': {
      const { user_id, version, limit } = call.arguments
      // One more than asked for: where it comes, there is a next page.
      return { contacts: await directory.changedSince(user_id, version, limit + 1), users: [] }
    }
    case 'users':
      return { contacts: [], users: await directory.reachable(call.arguments.user_id, userListLimit) }
    default:
      return undefined
  }
}

const requestOf = ({ time }: Requested, call: ContactChangeCall): ContactRequest => ({
  user_id: call.arguments.user_id,
  peers:
    call.operation === 'befriend'
      ? call.arguments.friends.map(({ peer_id }) => peer_id)
      : [call.arguments.peer_id],
  time,
  judge: (state) => judgeContact(call, state),
})

const ownersOf = (outcome: ContactOutcome): readonly number[] =>
  outcome.kind === 'done' ? [...new Set(outcome.changed.map(({ user_id }) => user_id))] : []
