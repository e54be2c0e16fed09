import { LRUCache } from "lru-cache";
import type { ChangePage, Shelf } from "./ports.ts";

/** Pages that are kept; each has at most `limits.entriesPageCharactersMax` characters of documents. */
const pagesMax = 16;
/** Milliseconds that one is kept. */
const keptMsMax = 1_000;

/**
 * Reads pages of changes once for all followers that stand at the same place. A page that is a moment old is as good as a new
 * one: what has changed since lies after it. `isForAll`: pages do not depend on the registry that reads.
 */
export function createPageMemory(
  read: Shelf["changesAfter"],
  { isForAll }: { isForAll: boolean },
): Shelf["changesAfter"] {
  const kept = new LRUCache<string, Promise<ChangePage>>({ max: pagesMax, ttl: keptMsMax });
  return (position, view, limit) => {
    const name = JSON.stringify([position.xid, position.id, view.filter, isForAll ? null : view.to, limit]);
    const known = kept.get(name);
    if (known !== undefined) return known;
    const page = read(position, view, limit);
    kept.set(name, page);
    // What comes next may belong to a page that leads to the end.
    page.then(
      ({ atEnd }) => atEnd && kept.delete(name),
      () => kept.delete(name),
    );
    return page;
  };
}
