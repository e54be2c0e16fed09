import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Database } from "../db/client.ts";
import { type Consumer, startConsumer } from "../db/consumer.ts";
import type { SearchChange, SearchDocument, SearchEngine } from "../search/port.ts";
import { type AssessmentRow, createAssessmentStore } from "../things/assessment-store.ts";
import { descriptionOf, type StoredEntry } from "../things/entry-store.ts";
import { factsOf } from "../things/facts.ts";
import { changedEntries } from "./changed-entries.ts";
import { trustOf } from "./trust.ts";

/** Keeps a search engine in step with the journal. */
export function startIndexer(deps: { db: Database; engine: SearchEngine; clock: Clock }): Consumer {
  return startConsumer({
    name: `search-${deps.engine.name}`,
    db: deps.db.orm,
    batchMax: limits.journalBatchMax,
    async handle(rows, tx) {
      const now = deps.clock.now();
      const changed = await changedEntries(rows, tx, now, { discoverable: true });
      const assessments = await createAssessmentStore(tx).find([...changed.keys()]);
      const changes = [...changed].map(([key, stored]): SearchChange => ({
        key,
        document: stored === undefined ? null : searchDocumentOf(stored, assessments.get(key), now),
      }));
      await deps.engine.apply(changes, tx);
    },
    afterBatch: () => deps.engine.maintain(),
  });
}

/** What search needs to know of an entry. */
export function searchDocumentOf(
  stored: StoredEntry,
  assessment: AssessmentRow | undefined,
  now: Date,
): SearchDocument {
  const { entry } = stored;
  const trust = trustOf(entry, assessment, now);
  return {
    ...factsOf(descriptionOf(stored)),
    key: entry.key,
    sequence: entry.sequence,
    // A heartbeat moves the end of a lease without a word in the journal: whoever finds the entry looks at its end.
    expires: entry.ttlSeconds === null ? entry.expires : null,
    modified: entry.modified,
    controller: entry.controller,
    origin: entry.origin,
    verified: trust.state === "verified",
    badges: trust.badges.map(({ badge }) => badge),
  };
}
