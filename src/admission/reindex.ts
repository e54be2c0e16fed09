import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Queryable } from "../db/client.ts";
import {
  consumeBatch,
  countJournalKeys,
  journalEnd,
  type JournalPosition,
  listJournalKeys,
  readBacklog,
  readJournal,
  rewindConsumer,
  setCheckpoint,
} from "../db/journal.ts";
import { workAlone } from "../db/outside-batch.ts";
import type { MeilisearchEngine } from "../search/meilisearch/meilisearch.ts";
import type { SearchEngine } from "../search/port.ts";
import { indexerNameOf, searchChangesOf } from "./indexer.ts";

/** Milliseconds between two attempts to get a turn beside the registry's own consumer. */
const turnMs = 100;

/** Told how much of `total` is done; of the two, `total` may be an estimate. */
export type ReindexProgress = (done: number, total: number) => void;

/**
 * Rebuilds the index in the registry's own database: its consumer starts again at the journal's first row, in batches that
 * take turns with those of registries which run. Until an entry's turn comes it is found as before, so searches go on.
 */
export async function rebuildInPlace(deps: {
  db: Queryable;
  engine: SearchEngine;
  clock: Clock;
  onProgress: ReindexProgress;
}): Promise<void> {
  const { db, engine, clock, onProgress } = deps;
  const name = indexerNameOf(engine);
  await rewindConsumer(db, name);
  const { rows: total } = await readBacklog(db, name, Number.MAX_SAFE_INTEGER);
  for (;;) {
    const { rows } = await consumeBatch(db, name, limits.journalBatchMax, async (batch, tx) =>
      engine.apply(await searchChangesOf(batch, tx, clock.now()), tx),
    );
    if (rows === 0) break;
    await engine.maintain();
    onProgress(total - (await readBacklog(db, name, total)).rows, total);
  }
  onProgress(total, total);
}

/**
 * Rebuilds the index of `engine` on another server: fills `next`, an index beside it, with all entries, brings it up to
 * where the journal has come meanwhile, and swaps the two in one step. Until then the old index answers and is kept up to
 * date by registries that run; the last step waits for their consumer's turn to end.
 *
 * It can be stopped at any time: nothing is in use before the swap. Throws where the server does not answer.
 */
export async function rebuildBeside(deps: {
  db: Queryable;
  engine: MeilisearchEngine;
  next: MeilisearchEngine;
  clock: Clock;
  holder: string;
  onProgress: ReindexProgress;
}): Promise<void> {
  const { db, engine, next, clock, holder, onProgress } = deps;
  const name = indexerNameOf(engine);
  const start = await journalEnd(db);
  const total = await countJournalKeys(db);
  await next.drop();
  await next.prepare(async () => {});

  let done = 0;
  for (let keys = await listJournalKeys(db, null, limits.journalBatchMax); keys.length > 0;) {
    await next.write(
      await searchChangesOf(
        keys.map((entryKey) => ({ entryKey })),
        db,
        clock.now(),
      ),
    );
    done += keys.length;
    onProgress(done, Math.max(done, total));
    keys = await listJournalKeys(db, keys.at(-1) ?? null, limits.journalBatchMax);
  }

  // Most of what has changed meanwhile is done before the registry's consumer has to wait.
  let position = await catchUp(next, start, deps);
  for (;;) {
    const swapped = await workAlone({ name, db, clock, holder }, async (signal) => {
      // There must be one to swap with; if it is new, and this ends before the swap, it is filled by the consumer.
      await engine.prepare(() => rewindConsumer(db, name));
      position = await catchUp(next, position, deps);
      signal.throwIfAborted();
      await engine.replaceBy(next);
      // Never before the swap: the old index may lack what the new one has. All that the consumer has handled is in both.
      await setCheckpoint(db, name, position);
    });
    if (swapped !== null) return;
    await delay(turnMs);
  }
}

/** Writes the changes after `position` until hardly any are left, and returns the place of the last one that it wrote. */
async function catchUp(
  next: MeilisearchEngine,
  position: JournalPosition,
  { db, clock }: { db: Queryable; clock: Clock },
): Promise<JournalPosition> {
  let reached = position;
  for (;;) {
    const rows = await readJournal(db, reached, limits.journalBatchMax);
    const last = rows.at(-1);
    if (last === undefined) return reached;
    await next.write(await searchChangesOf(rows, db, clock.now()));
    reached = { xid: last.xid, id: last.id };
    // While the registry is written to there are always some: the registry's own consumer goes on with them.
    if (rows.length < limits.journalBatchMax) return reached;
  }
}
