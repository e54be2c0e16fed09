import { and, asc, count, desc, eq, getTableColumns, gt, inArray, isNull, lte, or, type SQL, sql } from "drizzle-orm";
import type { EntryKey, Etag, ThingId } from "../base/ids.ts";
import { etagOf } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import { aliases, entries, journal, versions } from "../db/schema/index.ts";

export type EntryRow = typeof entries.$inferSelect;
export type VersionRow = typeof versions.$inferSelect;
/** An entry without what the database numbers. */
export type CurrentEntry = Omit<EntryRow, "sequence" | "versionId">;

/** What most readers need to know of an entry. */
const summaryColumns = {
  key: entries.key,
  sequence: entries.sequence,
  thingId: entries.thingId,
  controller: entries.controller,
  isPrimary: entries.isPrimary,
  state: entries.state,
  digest: entries.digest,
  created: entries.created,
  modified: entries.modified,
  expires: entries.expires,
  ttlSeconds: entries.ttlSeconds,
  origin: entries.origin,
  versionDigest: entries.versionDigest,
  verificationMethod: entries.verificationMethod,
  verifiedAt: entries.verifiedAt,
  proofExpires: entries.proofExpires,
};

export type EntrySummary = Pick<EntryRow, keyof typeof summaryColumns>;

/** An entry with the document of its current version, verbatim. */
export interface StoredEntry {
  entry: EntrySummary;
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

export interface ListPage {
  after: ThingId | null;
  offset: number;
  limit: number;
  now: Date;
}

/** What is here at `now`. */
function current(now: Date) {
  return and(eq(entries.state, "active"), or(isNull(entries.expires), gt(entries.expires, now)));
}

/** What anybody may find at `now`: the one condition for listings, searches and events. */
function discoverable(now: Date) {
  return and(current(now), eq(entries.visibility, "public"));
}

/** What the listing shows. */
function listed(now: Date) {
  return and(entries.isPrimary, discoverable(now));
}

/**
 * Reads entries. Everything but `findAllOfThing`, `readFacts` and `listExpired` hides what is unlisted or expired;
 * retracted entries come with their tombstone. What is visible by its id only shows where it is named.
 */
export function createEntryReader(db: Queryable) {
  const visible = and(
    inArray(entries.state, ["active", "retracted"]),
    or(isNull(entries.expires), gt(entries.expires, sql.placeholder("now"))),
  );
  const joined = { entry: summaryColumns, document: versions.document };
  // Prepared once: this is the hottest query of a registry.
  const primaryById = db
    .select(joined)
    .from(entries)
    .innerJoin(versions, eq(versions.id, entries.versionId))
    .where(and(eq(entries.thingId, sql.placeholder("thingId")), entries.isPrimary, visible))
    .prepare("primary_entry_by_id");

  const findWhere = async (condition: SQL | undefined): Promise<StoredEntry[]> =>
    db.select(joined).from(entries).innerJoin(versions, eq(versions.id, entries.versionId)).where(condition);

  const ofThing = db
    .select()
    .from(entries)
    .where(eq(entries.thingId, sql.placeholder("thingId")))
    .prepare("entries_of_thing");

  return {
    /** All rows of `thingId`, whatever their controller and state: what a write decides on. */
    async findAllOfThing(thingId: ThingId): Promise<EntryRow[]> {
      return ofThing.execute({ thingId });
    },

    /** The rows of all of `thingIds`, as `findAllOfThing` has those of one. */
    async findAllOfThings(thingIds: readonly ThingId[]): Promise<EntryRow[]> {
      const ids = JSON.stringify(thingIds);
      return db
        .select()
        .from(entries)
        .where(sql`${entries.thingId} = any(array(select json_array_elements_text(${ids}::text::json)))`);
    },

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
            inArray(entries.state, ["active", "retracted"]),
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

    /** Everything about an entry that `findPrimary` or `findByController` has found. */
    async readFacts(key: EntryKey): Promise<EntryRow | null> {
      const [found] = await db.select().from(entries).where(eq(entries.key, key));
      return found ?? null;
    },

    /** The alias of an entry, if it has one. */
    async aliasOf(key: EntryKey): Promise<string | null> {
      const [found] = await db.select({ alias: aliases.alias }).from(aliases).where(eq(aliases.entryKey, key));
      return found?.alias ?? null;
    },

    /**
     * Active primary entries in the order of their ids' code points: those after `after` (exclusive), or all but the
     * first `offset`. Only the former costs the same on every page.
     */
    async listPrimary(page: ListPage): Promise<StoredEntry[]> {
      // Documents are fetched for the page alone, not for what is skipped.
      const keys = db
        .select({ key: entries.key })
        .from(entries)
        .where(and(listed(page.now), page.after === null ? undefined : gt(entries.thingId, page.after)))
        .orderBy(asc(entries.thingId))
        .offset(page.after === null ? page.offset : 0)
        .limit(page.limit);
      return db
        .select(joined)
        .from(entries)
        .innerJoin(versions, eq(versions.id, entries.versionId))
        .where(inArray(entries.key, keys))
        .orderBy(asc(entries.thingId));
    },

    /** The ids of `listPrimary` without their documents. */
    async listIds(page: ListPage): Promise<ThingId[]> {
      const found = await db
        .select({ thingId: entries.thingId })
        .from(entries)
        .where(and(listed(page.now), page.after === null ? undefined : gt(entries.thingId, page.after)))
        .orderBy(asc(entries.thingId))
        .offset(page.after === null ? page.offset : 0)
        .limit(page.limit);
      return found.map(({ thingId }) => thingId);
    },

    /** How many entries `listPrimary` has in all. */
    async countPrimary(now: Date): Promise<number> {
      const [counted] = await db.select({ count: count() }).from(entries).where(listed(now));
      return counted?.count ?? 0;
    },

    /**
     * A text that changes when the set of listed entries may have changed, and at no update of one of them: the last
     * change of membership in the journal, and the last registration that ran out, purged or not.
     */
    async listState(now: Date): Promise<string> {
      const [state] = await rowsOf<{ state: string }>(
        db,
        sql`select concat_ws('.',
              (select concat(xid, '.', id) from ${journal} where kind not in ('updated', 'expired', 'verification')
               order by xid desc, id desc limit 1),
              extract(epoch from greatest(
                (select max(expires) from ${entries} where state = 'active' and expires <= ${now.toISOString()}),
                (select max(at) from ${journal} where kind = 'expired')))) as state`,
      );
      return state?.state ?? "";
    },

    /** Active entries that came in by the local network's door, at most `limit`. */
    async listLocal(now: Date, limit: number): Promise<EntryRow[]> {
      return db
        .select()
        .from(entries)
        .where(and(eq(entries.door, "lan"), current(now)))
        .limit(limit);
    },

    /** Active entries whose registration had run out by `now`, at most `limit`. */
    async listExpired(now: Date, limit: number): Promise<EntryRow[]> {
      return db
        .select()
        .from(entries)
        .where(and(eq(entries.state, "active"), lte(entries.expires, now)))
        .limit(limit);
    },

    /** The active ones among `keys` that anybody may find, in no order. */
    async findActive(keys: readonly EntryKey[], now: Date): Promise<StoredEntry[]> {
      return keys.length === 0 ? [] : findWhere(and(inArray(entries.key, [...keys]), discoverable(now)));
    },

    /** The active ones among `keys`, whoever may find them, in no order. */
    async findCurrent(keys: readonly EntryKey[], now: Date): Promise<StoredEntry[]> {
      return keys.length === 0 ? [] : findWhere(and(inArray(entries.key, [...keys]), current(now)));
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
