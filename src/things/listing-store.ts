import { and, count, eq, getTableColumns, inArray, type SQL, sql } from "drizzle-orm";
import type { EntryKey } from "../base/ids.ts";
import type { Queryable } from "../db/client.ts";
import { listings } from "../db/schema/index.ts";
import { listedDigest, readDigestNode } from "./digest-query.ts";
import type { DigestNode } from "./entry-digests.ts";
import { rowSetOf } from "./row-set.ts";

/** An entry as a followed peer lists it. */
export type Listing = Pick<typeof listings.$inferSelect, "key" | "digest" | "objectId" | "path" | "refused">;

/** Reads and writes what followed peers list. `peer` is always the id of a row of `peers`. Only admission writes. */
export function createListingStore(db: Queryable) {
  const { peer: _peer, modified: _modified, ...columns } = getTableColumns(listings);

  const findWhere = async (condition: SQL | undefined): Promise<Listing[]> =>
    db.select(columns).from(listings).where(condition);

  return {
    /** Notes what a peer lists, in the place of what it listed of the same entries. The last one of a key counts. */
    async put(peer: string, listed: readonly Listing[], now: Date): Promise<void> {
      if (listed.length === 0) return;
      const last = [...new Map(listed.map((one) => [one.key, one])).values()];
      // Whoever writes several rows does it in one order, so that no two wait for each other.
      const rows = last.sort((a, b) => (a.key < b.key ? -1 : 1)).map((one) => ({ ...one, peer, modified: now }));
      await db.execute(
        sql`insert into ${listings} (peer, key, digest, object_id, path, refused, modified)
            select peer, key, digest, object_id, path, refused, modified
            from ${rowSetOf(listings, getTableColumns(listings), rows)}
            on conflict (peer, key) do update
            set digest = excluded.digest, object_id = excluded.object_id, path = excluded.path,
                refused = excluded.refused, modified = excluded.modified`,
      );
    },

    /** The listings of a peer whose objects have these ids, in no order. */
    async findByObjects(peer: string, objectIds: readonly string[]): Promise<Listing[]> {
      if (objectIds.length === 0) return [];
      return findWhere(and(eq(listings.peer, peer), inArray(listings.objectId, [...objectIds])));
    },

    /** The listings of a peer of these entries, in no order. */
    async findByKeys(peer: string, keys: readonly EntryKey[]): Promise<Listing[]> {
      if (keys.length === 0) return [];
      return findWhere(and(eq(listings.peer, peer), inArray(listings.key, [...keys])));
    },

    /** Forgets that a peer lists these entries. */
    async remove(peer: string, keys: readonly EntryKey[]): Promise<void> {
      if (keys.length === 0) return;
      await db.delete(listings).where(and(eq(listings.peer, peer), inArray(listings.key, [...keys])));
    },

    /** Forgets all that a peer lists. */
    async removeAll(peer: string): Promise<void> {
      await db.transaction(async (tx) => {
        // All rows at once, however many there are.
        await tx.execute(sql`set local statement_timeout = 0`);
        await tx.delete(listings).where(eq(listings.peer, peer));
      });
    },

    /** How many entries each peer lists, and how many of them were refused; of a peer that lists nothing, nothing. */
    async countByPeer(): Promise<Map<string, { entries: number; refused: number }>> {
      const rows = await db
        .select({ peer: listings.peer, entries: count(), refused: count(listings.refused) })
        .from(listings)
        .groupBy(listings.peer);
      return new Map(rows.map(({ peer, ...counts }) => [peer, counts]));
    },

    /** How many entries a peer lists, and how many of them were refused. */
    async count(peer: string): Promise<{ entries: number; refused: number }> {
      const [counted] = await db
        .select({ entries: count(), refused: count(listings.refused) })
        .from(listings)
        .where(eq(listings.peer, peer));
      return counted ?? { entries: 0, refused: 0 };
    },

    /**
     * The node of `prefix` (lower-case hex) over all that a peer lists. Also over what was refused: it is known, and need
     * not be fetched again.
     */
    async digests(peer: string, prefix: string): Promise<DigestNode> {
      const digest = listedDigest(listings.digest, sql`path[:cardinality(path) - 1]`);
      return readDigestNode(
        db,
        sql`select key, ${digest} as digest from ${listings} where peer = ${peer}::uuid`,
        prefix,
      );
    },
  };
}

export type ListingStore = ReturnType<typeof createListingStore>;
