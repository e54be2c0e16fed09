import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { mapInTurns } from "../base/turns.ts";
import type { Database, Queryable } from "../db/client.ts";
import { type Consumer, startConsumer, startOutsideConsumer } from "../db/consumer.ts";
import {
  comparePositions,
  type JournalRow,
  journalStart,
  readBacklog,
  readCheckpoint,
  rewindConsumer,
} from "../db/journal.ts";
import type { MeilisearchEngine } from "../search/meilisearch/meilisearch.ts";
import type { SearchChange, SearchDocument, SearchEngine } from "../search/port.ts";
import { type AssessmentRow, createAssessmentStore } from "../things/assessment-store.ts";
import { descriptionOf, type StoredEntry } from "../things/entry-store.ts";
import { factsOf } from "../things/facts.ts";
import { changedEntries } from "./changed-entries.ts";
import { trustOf } from "./trust.ts";

/** The name of the consumer that keeps an engine in step with the journal. */
export function indexerNameOf(engine: Pick<SearchEngine, "name">): string {
  return `search-${engine.name}`;
}

/** Keeps a search engine in the registry's database in step with the journal. */
export function startIndexer(deps: { db: Database; engine: SearchEngine; clock: Clock }): Consumer {
  const { db, engine, clock } = deps;
  return startConsumer({
    name: indexerNameOf(engine),
    db: db.orm,
    batchMax: limits.journalBatchMax,
    async handle(rows, tx) {
      await engine.apply(await searchChangesOf(rows, tx, clock.now()), tx);
    },
    afterBatch: () => engine.maintain(),
  });
}

/**
 * Keeps a search engine on another server in step with the journal. Where several processes share the database, one of
 * them does it at a time.
 *
 * @param deps.holder a UUID of this process.
 */
export function startOutsideIndexer(deps: {
  db: Queryable;
  engine: MeilisearchEngine;
  clock: Clock;
  holder: string;
}): Consumer {
  const { db, engine, clock, holder } = deps;
  const name = indexerNameOf(engine);
  return startOutsideConsumer({
    name,
    db,
    clock,
    holder,
    batchMax: limits.journalBatchMax,
    prepare: (signal) => engine.prepare(() => rewindConsumer(db, name), signal),
    handle: async (rows, signal) => engine.write(await searchChangesOf(rows, db, clock.now()), signal),
  });
}

/**
 * Whether the index that `consumer` keeps on another server is as good as up to date: filled once, and behind by few changes
 * that have not waited long.
 */
export async function isNearlyUpToDate(db: Queryable, consumer: string, now: Date): Promise<boolean> {
  const { rows, since } = await readBacklog(db, consumer, limits.searchBacklogMax + 1);
  if (since === null) return true;
  if (rows > limits.searchBacklogMax || now.getTime() - since.getTime() > limits.searchLagMsMax) return false;
  return comparePositions(await readCheckpoint(db, consumer), journalStart) > 0;
}

/** What has to change in an index because of `rows`: each entry as it is now. */
export async function searchChangesOf(
  rows: readonly Pick<JournalRow, "entryKey">[],
  db: Queryable,
  now: Date,
): Promise<SearchChange[]> {
  const changed = await changedEntries(rows, db, now, { discoverable: true });
  const assessments = await createAssessmentStore(db).find([...changed.keys()]);
  return mapInTurns([...changed], ([key, stored]): SearchChange => ({
    key,
    document: stored === undefined ? null : searchDocumentOf(stored, assessments.get(key), now),
  }));
}

/** What search needs to know of an entry. */
function searchDocumentOf(stored: StoredEntry, assessment: AssessmentRow | undefined, now: Date): SearchDocument {
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
