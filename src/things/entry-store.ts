import {
  and,
  asc,
  desc,
  eq,
  getTableColumns,
  gt,
  inArray,
  isNull,
  lt,
  ne,
  notInArray,
  or,
  type SQL,
  sql,
} from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { Digest, EntryKey, Etag, ThingId } from "../base/ids.ts";
import { etagOf } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Queryable } from "../db/client.ts";
import { aliases, entries, versions } from "../db/schema/index.ts";

export type EntryRow = typeof entries.$inferSelect;
export type VersionRow = typeof versions.$inferSelect;
/** An entry without what the database numbers. */
export type CurrentEntry = Omit<EntryRow, "sequence" | "versionId">;
export type NewVersion = typeof versions.$inferInsert;

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

const { id: _id, ...versionColumns } = getTableColumns(versions);
const { sequence: _sequence, versionId: _versionId, ...entryColumns } = getTableColumns(entries);
const comma = sql.raw(", ");
const versionNames = namesOf(versionColumns);
const entryNames = namesOf(entryColumns);
const entryAssignments = sql.raw(
  Object.values(entryColumns)
    .map(({ name }) => `${name} = excluded.${name}`)
    .join(", "),
);

function namesOf(columns: Record<string, PgColumn>): SQL {
  return sql.raw(
    Object.values(columns)
      .map(({ name }) => name)
      .join(", "),
  );
}

function valuesOf(columns: Record<string, PgColumn>, row: Record<string, unknown>): SQL {
  return sql.join(
    Object.entries(columns).map(([name, column]) => sql.param(row[name] ?? null, column)),
    comma,
  );
}

/** Writes entries within the caller's transaction. Only admission uses it. */
export function createEntryWriter(tx: Queryable) {
  return {
    /** Waits until no other transaction writes any entry of `thingId`, and keeps others out until commit. */
    async lockThing(thingId: string): Promise<void> {
      await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${thingId}, 0))`);
    },

    /** All rows of `thingId`, whatever their controller and state. */
    async rowsOfThing(thingId: ThingId): Promise<EntryRow[]> {
      return tx.select().from(entries).where(eq(entries.thingId, thingId));
    },

    /** Whether this very version is kept of the entry. */
    async hasVersion(key: EntryKey, versionDigest: Digest): Promise<boolean> {
      const found = await tx
        .select({ id: versions.id })
        .from(versions)
        .where(and(eq(versions.entryKey, key), eq(versions.versionDigest, versionDigest)))
        .limit(1);
      return found.length > 0;
    },

    /** Adds a version. */
    async insertVersion(version: NewVersion): Promise<void> {
      await tx.insert(versions).values(version);
    },

    /** Adds a version and makes it the current one of its entry, which is created if need be: in one statement. */
    async putCurrent(version: NewVersion, entry: CurrentEntry): Promise<void> {
      await tx.execute(sql`
        with version as (insert into ${versions} (${versionNames}) values (${valuesOf(versionColumns, version)}) returning id)
        insert into ${entries} (${entryNames}, version_id)
        values (${valuesOf(entryColumns, entry)}, (select id from version))
        on conflict (key) do update set ${entryAssignments}, version_id = excluded.version_id`);
    },

    async updateEntry(key: EntryKey, change: Partial<CurrentEntry>): Promise<EntryRow> {
      const [updated] = await tx.update(entries).set(change).where(eq(entries.key, key)).returning();
      if (updated === undefined) throw new Error("the entry to change was not there");
      return updated;
    },

    /** Deletes an unsigned entry with its versions. (A signed entry's row stays: it is the high-water mark.) */
    async deleteUnsigned(key: EntryKey): Promise<void> {
      await tx.delete(versions).where(eq(versions.entryKey, key));
      await tx.delete(entries).where(and(eq(entries.key, key), isNull(entries.controller)));
    },

    /** Keeps the newest `keep` versions of an entry, and the current one in any case. */
    async pruneVersions(key: EntryKey, keep: number): Promise<void> {
      const [oldestKept] = await tx
        .select({ id: versions.id })
        .from(versions)
        .where(eq(versions.entryKey, key))
        .orderBy(desc(versions.id))
        .offset(keep - 1)
        .limit(1);
      if (oldestKept === undefined) return;
      await tx
        .delete(versions)
        .where(
          and(
            eq(versions.entryKey, key),
            lt(versions.id, oldestKept.id),
            notInArray(versions.id, tx.select({ id: entries.versionId }).from(entries).where(eq(entries.key, key))),
          ),
        );
    },

    /** Binds `alias` to an entry; false when it belongs to another one. */
    async claimAlias(alias: string, key: EntryKey): Promise<boolean> {
      await tx.insert(aliases).values({ alias, entryKey: key }).onConflictDoNothing();
      const [claimed] = await tx.select().from(aliases).where(eq(aliases.alias, alias));
      return claimed?.entryKey === key;
    },
  };
}

export type EntryWriter = ReturnType<typeof createEntryWriter>;
