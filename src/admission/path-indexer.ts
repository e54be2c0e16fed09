import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Database } from "../db/client.ts";
import { type Consumer, startConsumer } from "../db/consumer.ts";
import { applyPathChanges, type PathChange, pathIndexer } from "../search/jsonpath/path-index.ts";
import { pathTermsOf } from "../search/jsonpath/paths.ts";
import { descriptionOf } from "../things/entry-store.ts";
import { changedEntries } from "./changed-entries.ts";

/**
 * Keeps the index of JSONPath searches in step with the journal. Nobody wakes it: it looks by itself and so handles
 * many changes at once, since searches look at what it has not handled yet anyway.
 */
export function startPathIndexer(deps: { db: Database; clock: Clock }): Consumer {
  return startConsumer({
    name: pathIndexer,
    db: deps.db.orm,
    batchMax: limits.journalBatchMax,
    async handle(rows, tx) {
      const changed = await changedEntries(rows, tx, deps.clock.now(), { discoverable: true });
      const changes = [...changed].map(([key, stored]): PathChange => ({
        key,
        terms: stored === undefined ? null : pathTermsOf(descriptionOf(stored)),
      }));
      await applyPathChanges(changes, tx);
    },
  });
}
