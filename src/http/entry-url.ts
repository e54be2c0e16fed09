import type { EntryRow } from "../things/entry-store.ts";

/** The absolute URL of an entry; one that is not the first of its thing id is named by its controller as well. */
export function entryUrl(publicUrl: string, entry: Pick<EntryRow, "thingId" | "controller" | "isPrimary">): string {
  const query =
    entry.isPrimary || entry.controller === null ? "" : `?controller=${encodeURIComponent(entry.controller)}`;
  return `${publicUrl}/things/${encodeURIComponent(entry.thingId)}${query}`;
}
