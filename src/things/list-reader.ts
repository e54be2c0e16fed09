import { and, asc, count, desc, eq, gt, inArray, isNotNull, isNull, ne, sql } from "drizzle-orm";
import type { EntryKey } from "../base/ids.ts";
import type { Queryable } from "../db/client.ts";
import type { JournalPosition } from "../db/journal.ts";
import { entries, journal, listings, peers, versions } from "../db/schema/index.ts";
import type { Offer } from "./offers.ts";

/** Reads what is told of entries besides the list itself. */
export function createListReader(db: Queryable) {
  return {
    /** How many signed things everybody may find that are registered here. */
    async countOwn(): Promise<number> {
      const [counted] = await db
        .select({ count: count() })
        .from(entries)
        .where(
          and(
            isNotNull(entries.controller),
            isNull(entries.origin),
            ne(entries.door, "lan"),
            eq(entries.state, "active"),
            eq(entries.visibility, "public"),
          ),
        );
      return counted?.count ?? 0;
    },

    /**
     * The keys of entries in the order of their last changes, newest first: those whose last change lies before `before`,
     * or from the newest on.
     */
    async recent(before: JournalPosition | null, limit: number): Promise<(JournalPosition & { key: EntryKey })[]> {
      return db
        .select({ key: journal.entryKey, xid: journal.xid, id: journal.id })
        .from(journal)
        .where(
          and(
            isNotNull(journal.controller),
            sql`${journal.xid} < pg_snapshot_xmin(pg_current_snapshot())`,
            before === null
              ? undefined
              : sql`(${journal.xid}, ${journal.id}) < (${before.xid}::xid8, ${before.id}::bigint)`,
            sql`not exists (select from ${journal} later where later.entry_key = ${journal.entryKey}
                  and (later.xid, later.id) > (${journal.xid}, ${journal.id}))`,
          ),
        )
        .orderBy(desc(journal.xid), desc(journal.id))
        .limit(limit);
    },

    /**
     * What the registry at `origin` lists here and was not refused, with its current document, in the order of the keys
     * after `after`: what it may have lost. The paths are those by which it came.
     */
    async listedBy(origin: string, after: EntryKey | null, limit: number): Promise<Offer[]> {
      const rows = await db
        .select({
          key: entries.key,
          thingId: entries.thingId,
          controller: entries.controller,
          kind: versions.kind,
          document: versions.document,
          digest: entries.digest,
          path: listings.path,
          created: entries.created,
          modified: entries.modified,
        })
        .from(listings)
        .innerJoin(peers, eq(peers.id, listings.peer))
        .innerJoin(entries, eq(entries.key, listings.key))
        .innerJoin(versions, eq(versions.id, entries.versionId))
        .where(
          and(
            eq(peers.origin, origin),
            isNull(listings.refused),
            inArray(entries.state, ["active", "retracted"]),
            eq(entries.visibility, "public"),
            after === null ? undefined : gt(listings.key, after),
          ),
        )
        .orderBy(asc(listings.key))
        .limit(limit);
      return rows.flatMap(({ controller, ...row }): Offer[] => {
        return controller === null ? [] : [{ type: "offer", ...row, controller, isNew: false }];
      });
    },

    /** Whether an entry of everybody's was here at some time. */
    async hasBeen(key: EntryKey): Promise<boolean> {
      const found = await db
        .select({ key: entries.key })
        .from(entries)
        .where(and(eq(entries.key, key), isNotNull(entries.controller), eq(entries.visibility, "public")));
      return found.length > 0;
    },

    /** How many changes of signed entries lie after `position`, counted up to `max`. */
    async lag({ xid, id }: JournalPosition, max: number): Promise<number> {
      const after = db
        .select({ one: sql`1`.as("one") })
        .from(journal)
        .where(and(isNotNull(journal.controller), sql`(xid, id) > (${xid}::xid8, ${id}::bigint)`))
        .limit(max)
        .as("after");
      const [counted] = await db.select({ count: count() }).from(after);
      return counted?.count ?? 0;
    },
  };
}

export type ListReader = ReturnType<typeof createListReader>;
