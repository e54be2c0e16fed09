import type { ThingId } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import type { Queryable } from "../db/client.ts";
import { appendToJournal, type JournalPosition, type NewJournalRow } from "../db/journal.ts";
import type { CurrentEntry, EntryReader, EntryRow } from "../things/entry-store.ts";
import { createEntryWriter } from "../things/entry-writer.ts";
import type { Door } from "./stages.ts";

/*
 * Writers of one entry do not lock it: each reads it, decides, and writes on the condition that it is still as it was
 * read. Who was slower does it all again on what the faster one left.
 */

/** Where entries are. */
export interface Place {
  db: Queryable;
  /** Reads from `db`; made once, since its hottest queries are prepared. */
  entries: EntryReader;
}

/** How often a decision is made anew because another writer was faster. */
const attemptsMax = 100;

/** Changes the entry's row and journals it; null if the entry is not as known any more. */
export function changeEntry(
  known: EntryRow,
  changes: Partial<CurrentEntry>,
  row: NewJournalRow,
  db: Queryable,
): Promise<JournalPosition | null> {
  return transactionUnlessLost(db, async (tx, lost) => {
    if (!(await createEntryWriter(tx).changeEntry(known, changes))) throw lost;
    return appendToJournal(tx, row);
  });
}

/** Runs a transaction; null if it threw `lost`, and so did nothing. */
export async function transactionUnlessLost<Result>(
  db: Queryable,
  run: (tx: Queryable, lost: Error) => Promise<Result>,
): Promise<Result | null> {
  const lost = new Error("another writer was faster");
  try {
    return await db.transaction((tx) => run(tx, lost));
  } catch (error) {
    if (error === lost) return null;
    throw error;
  }
}

/** Repeats what lost against another writer. One of any competing writers gets through each time. */
export async function untilUncontested<Result>(
  thingId: ThingId,
  attempt: () => Promise<Result | null>,
): Promise<Result> {
  for (let attempts = 0; attempts < attemptsMax; attempts += 1) {
    const result = await attempt();
    if (result !== null) return result;
  }
  throw new Problem("conflict", `${thingId} is being changed by too many at once; try again.`, { retry: "later" });
}

/** The journal's row about a change of `entry` that came in by a door. */
export function journalRow(
  kind: NewJournalRow["kind"],
  entry: CurrentEntry,
  origin: { door: Door; origin: string | null },
  now: Date,
): NewJournalRow {
  return {
    kind,
    at: now,
    entryKey: entry.key,
    thingId: entry.thingId,
    controller: entry.controller,
    door: origin.door,
    origin: origin.origin,
  };
}
