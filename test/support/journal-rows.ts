import { randomBytes } from "node:crypto";
import type { EntryKey, ThingId } from "../../src/base/ids.ts";
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
