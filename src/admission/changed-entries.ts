import type { EntryKey } from "../base/ids.ts";
import type { Queryable } from "../db/client.ts";
import type { JournalRow } from "../db/journal.ts";
import { createEntryReader, type StoredEntry } from "../things/entry-store.ts";

/**
 * The entries that `rows` of the journal are about, as they are now: a row only says that an entry changed, so that
 * handling rows twice, or late, ends in the same. Undefined for one that is not there any more, or, with
 * `discoverable`, not for everybody to find.
 */
export async function changedEntries(
  rows: readonly Pick<JournalRow, "entryKey">[],
  tx: Queryable,
  now: Date,
  options: { discoverable: boolean },
): Promise<Map<EntryKey, StoredEntry | undefined>> {
  const keys = [...new Set(rows.map((row) => row.entryKey))];
  const reader = createEntryReader(tx);
  const found = options.discoverable ? await reader.findActive(keys, now) : await reader.findCurrent(keys, now);
  const byKey = new Map(found.map((stored) => [stored.entry.key, stored]));
  return new Map(keys.map((key) => [key, byKey.get(key)]));
}
