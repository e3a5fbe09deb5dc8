/** What was said in anybody's sessions: pairs and groups are stored differently, and asked at the same time. */
import type { Pool } from 'pg'
import { isGroupId } from '../../schemas/ids.js'
import type { MessageHistory, SessionAsked } from '../../workers/ports/queries.js'
import { createGroupHistory } from './group-history.js'
import { createPairHistory } from './pair-history.js'

/** Reads on this pool. */
export function createMessageHistory(pool: Pool): MessageHistory {
  const pairs = createPairHistory(pool)
  const groups = createGroupHistory(pool)
  return {
    pages: (asked) => byKind(asked, pairs.pages, groups.pages),
    latest: (asked) => byKind(asked, pairs.latest, groups.latest),
    byIds: (asked) => byKind(asked, pairs.byIds, groups.byIds),
  }
}

/** Asks each reader what is its to answer, if anything; the answers come in the order of the questions. */
async function byKind<Asked extends SessionAsked, Answer>(
  asked: readonly Asked[],
  ofPairs: (asked: readonly Asked[]) => Promise<readonly Answer[]>,
  ofGroups: (asked: readonly Asked[]) => Promise<readonly Answer[]>,
): Promise<readonly Answer[]> {
  const aboutGroups = asked.filter((each) => isGroupId(each.peer_id))
  if (aboutGroups.length === 0) return ofPairs(asked)
  const aboutPairs = asked.filter((each) => !isGroupId(each.peer_id))
  const [pairs, groups] = await Promise.all([
    aboutPairs.length === 0 ? [] : ofPairs(aboutPairs),
    ofGroups(aboutGroups),
  ])
  const [nextPair, nextGroup] = [pairs.values(), groups.values()]
  return asked.map((each) => (isGroupId(each.peer_id) ? nextGroup : nextPair).next().value as Answer)
}
