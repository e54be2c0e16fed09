import { and, asc, desc, eq, getTableColumns, gt, inArray, isNull, ne, or, sql } from "drizzle-orm";
import type { EntryKey, Etag, ThingId } from "../base/ids.ts";
import { etagOf } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Queryable } from "../db/client.ts";
import { aliases, entries, versions } from "../db/schema/index.ts";

export type EntryRow = typeof entries.$inferSelect;
export type VersionRow = typeof versions.$inferSelect;
/** An entry without what the database numbers. */
export type CurrentEntry = Omit<EntryRow, "sequence" | "versionId">;

/** An entry with the document of its current version, verbatim. */
export interface StoredEntry {
  entry: EntryRow;
  document: string;
}

/** The stored description as an object. It passed admission, so it is not checked again. */
export function descriptionOf({ document }: StoredEntry): JsonObject {
  const td = JSON.parse(document) as JsonValue;
  if (!isJsonObject(td)) throw new Error("a stored description is not an object");
  return td;
}

/** Whether the entry's registration has run out at `now`. */
export function isExpired(entry: Pick<EntryRow, "expires">, now: Date): boolean {
  return entry.expires !== null && entry.expires <= now;
}

/**
 * The entity tag of what `GET /things/{id}` returns: the document's digest; for an unsigned entry, which is
 * served enriched, also the instant of its last change.
 */
export function etagOfEntry(entry: Pick<EntryRow, "controller" | "digest" | "modified">): Etag {
  return etagOf(entry.controller === null ? `${entry.digest}-${entry.modified.getTime().toString(36)}` : entry.digest);
}

/** Reads entries. Everything here hides what is unlisted or expired; retracted entries come with their tombstone. */
export function createEntryReader(db: Queryable) {
  const visible = and(
    ne(entries.state, "unlisted"),
    or(isNull(entries.expires), gt(entries.expires, sql.placeholder("now"))),
  );
  const joined = { entry: entries, document: versions.document };
  // Prepared once: this is the hottest query of a registry.
  const primaryById = db
    .select(joined)
    .from(entries)
    .innerJoin(versions, eq(versions.id, entries.versionId))
    .where(and(eq(entries.thingId, sql.placeholder("thingId")), entries.isPrimary, visible))
    .prepare("primary_entry_by_id");

  return {
    /** The entry that `thingId` names here: that of the first controller which registered it. */
    async findPrimary(thingId: string, now: Date): Promise<StoredEntry | null> {
      const [found] = await primaryById.execute({ thingId, now: now.toISOString() });
      return found ?? null;
    },

    /** The entry of one controller for `thingId`, primary or not. */
    async findByController(thingId: string, controller: string, now: Date): Promise<StoredEntry | null> {
      const [found] = await db
        .select(joined)
        .from(entries)
        .innerJoin(versions, eq(versions.id, entries.versionId))
        .where(
          and(
            eq(entries.thingId, thingId as ThingId),
            sql`${entries.controller} = ${controller}`,
            ne(entries.state, "unlisted"),
            or(isNull(entries.expires), gt(entries.expires, now)),
          ),
        );
      return found ?? null;
    },

    /** The thing id that was registered under `alias`, an id that is no URI. */
    async findAlias(alias: string): Promise<ThingId | null> {
      const [found] = await db
        .select({ thingId: entries.thingId })
        .from(aliases)
        .innerJoin(entries, eq(entries.key, aliases.entryKey))
        .where(eq(aliases.alias, alias));
      return found?.thingId ?? null;
    },

    /** The alias of an entry, if it has one. */
    async aliasOf(key: EntryKey): Promise<string | null> {
      const [found] = await db.select({ alias: aliases.alias }).from(aliases).where(eq(aliases.entryKey, key));
      return found?.alias ?? null;
    },

    /** Active primary entries in the order of their ids' code points, from `after` (exclusive) or by `offset`. */
    async listPrimary(page: {
      after: string | null;
      offset: number;
      limit: number;
      now: Date;
    }): Promise<StoredEntry[]> {
      return db
        .select(joined)
        .from(entries)
        .innerJoin(versions, eq(versions.id, entries.versionId))
        .where(
          and(
            entries.isPrimary,
            eq(entries.state, "active"),
            or(isNull(entries.expires), gt(entries.expires, page.now)),
            page.after === null ? undefined : gt(entries.thingId, page.after as ThingId),
          ),
        )
        .orderBy(asc(entries.thingId))
        .offset(page.offset)
        .limit(page.limit);
    },

    /** The active ones among `keys`, in no order. */
    async findActive(keys: readonly EntryKey[], now: Date): Promise<StoredEntry[]> {
      if (keys.length === 0) return [];
      return db
        .select(joined)
        .from(entries)
        .innerJoin(versions, eq(versions.id, entries.versionId))
        .where(
          and(
            inArray(entries.key, [...keys]),
            eq(entries.state, "active"),
            or(isNull(entries.expires), gt(entries.expires, now)),
          ),
        );
    },

    /** The versions of an entry without their documents, newest first, evidence of equivocation included. */
    async listVersions(key: EntryKey, limit: number): Promise<Omit<VersionRow, "document">[]> {
      const { document: _, ...columns } = getTableColumns(versions);
      return db
        .select(columns)
        .from(versions)
        .where(eq(versions.entryKey, key))
        .orderBy(desc(versions.id))
        .limit(limit);
    },
  };
}

export type EntryReader = ReturnType<typeof createEntryReader>;
