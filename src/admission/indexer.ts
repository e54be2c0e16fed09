import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Database } from "../db/client.ts";
import { type Consumer, startConsumer } from "../db/consumer.ts";
import type { SearchChange, SearchDocument, SearchEngine } from "../search/port.ts";
import { createEntryReader, descriptionOf, type StoredEntry } from "../things/entry-store.ts";
import { factsOf } from "../things/facts.ts";

/**
 * Keeps a search engine in step with the journal. A row only says that an entry changed: what is indexed is the
 * entry as it is now, so handling rows twice, or late, ends in the same index.
 */
export function startIndexer(deps: { db: Database; engine: SearchEngine; clock: Clock }): Consumer {
  return startConsumer({
    name: `search-${deps.engine.name}`,
    db: deps.db.orm,
    batchMax: limits.journalBatchMax,
    async handle(rows, tx) {
      const keys = [...new Set(rows.map((row) => row.entryKey))];
      const active = await createEntryReader(tx).findActive(keys, deps.clock.now());
      const byKey = new Map(active.map((stored) => [stored.entry.key, stored]));
      const changes = keys.map((key): SearchChange => {
        const stored = byKey.get(key);
        return stored === undefined ? { key, document: null } : { key, document: searchDocumentOf(stored) };
      });
      await deps.engine.apply(changes, tx);
    },
    afterBatch: () => deps.engine.maintain(),
  });
}

/** What search needs to know of an entry. */
export function searchDocumentOf(stored: StoredEntry): SearchDocument {
  const { entry } = stored;
  return {
    ...factsOf(descriptionOf(stored)),
    key: entry.key,
    sequence: entry.sequence,
    expires: entry.expires,
    controller: entry.controller,
    origin: entry.origin,
    verified: entry.verifiedAt !== null,
  };
}
