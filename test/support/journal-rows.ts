import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { expect } from "vitest";
import type { EntryKey, ThingId } from "../../src/base/ids.ts";
import { type Queryable, rowsOf } from "../../src/db/client.ts";
import type { NewJournalRow } from "../../src/db/journal.ts";

/** A row of the journal about an entry that does not exist, which the journal itself does not mind. */
export function journalRow(thingId: string): NewJournalRow {
  return {
    at: new Date(),
    kind: "created",
    entryKey: randomBytes(32).toString("hex") as EntryKey,
    thingId: thingId as ThingId,
    controller: null,
    door: "http",
    origin: null,
  };
}

/**
 * Resolves once readers see all that is written: a transaction that runs in any database of the server, such as one that
 * another test makes, holds back the rows of all that began after it.
 */
export async function journalSettled(db: Queryable): Promise<void> {
  const isSettled = async () => {
    const [state] = await rowsOf<{ settled: boolean }>(
      db,
      sql`select coalesce(max(xid) < pg_snapshot_xmin(pg_current_snapshot()), true) as settled from journal`,
    );
    return state?.settled;
  };
  await expect.poll(isSettled, { timeout: 20_000 }).toBe(true);
}
