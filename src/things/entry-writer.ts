import { and, desc, eq, getTableColumns, isNull, lt, ne, notInArray, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { Digest, EntryKey } from "../base/ids.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import type { JournalPosition, NewJournalRow } from "../db/journal.ts";
import { aliases, entries, journal, versions } from "../db/schema/index.ts";
import type { CurrentEntry, EntryRow } from "./entry-store.ts";
import { rowSetOf } from "./row-set.ts";

export type NewVersion = Omit<typeof versions.$inferInsert, "id">;

/** What identifies the state of an entry that a decision was made on. */
type Known = Pick<EntryRow, "key" | "versionId" | "state" | "visibility" | "equivocal" | "expires" | "door" | "origin">;

/** What is written for an entry that is not there yet. */
export interface NewEntry {
  entry: CurrentEntry;
  version: NewVersion;
  change: NewJournalRow;
}

/**
 * Writes entries. Only admission uses it. Each change of an existing row names the row as it was when the change was
 * decided on, and does nothing if it is another one by now: then somebody else was faster, and the caller decides anew.
 */
export function createEntryWriter(db: Queryable) {
  const asKnown = ({ key, versionId, state, visibility, equivocal, expires, door, origin }: Known) =>
    and(
      eq(entries.key, key),
      eq(entries.versionId, versionId),
      eq(entries.state, state),
      eq(entries.visibility, visibility),
      eq(entries.equivocal, equivocal),
      // A renewal changes nothing else.
      expires === null ? isNull(entries.expires) : eq(entries.expires, expires),
      // Nor does it when an entry becomes a registration of this registry, or of another peer.
      eq(entries.door, door),
      origin === null ? isNull(entries.origin) : eq(entries.origin, origin),
    );

  return {
    /**
     * Writes a version, makes it the current one of its entry and journals the change: one statement, and so one
     * transaction without a second trip to the database. `known` is null for a new entry. Returns null where the entry
     * is not as known any more, or exists already.
     */
    async putCurrent(
      entry: CurrentEntry,
      version: NewVersion,
      change: NewJournalRow,
      known: Known | null,
    ): Promise<JournalPosition | null> {
      const written =
        known === null
          ? sql`insert into ${entries} (${entryNames}, version_id) values (${valuesOf(entryColumns, entry)}, ${nextVersionId})
                on conflict do nothing`
          : sql`update ${entries} set ${assignmentsOf(entryColumns, entry)}, version_id = ${nextVersionId}
                where ${asKnown(known)}`;
      const [position] = await rowsOf<{ xid: string; id: string | number }>(
        db,
        sql`with entry as (${written} returning version_id),
              version as (
                insert into ${versions} (id, ${versionNames}) overriding system value
                select entry.version_id, ${valuesOf(versionColumns, version)} from entry),
              change as (
                insert into ${journal} (${journalNames})
                select ${valuesOf(journalColumns, change)} from entry returning xid, id)
            select xid::text, id from change`,
      );
      return position === undefined ? null : { xid: position.xid, id: Number(position.id) };
    },

    /**
     * Writes new entries of different things in one statement, each with its version and its row in the journal. Returns
     * the places of these by the entries' keys; one that exists already, or that another writer has just made, is left
     * out. In the order of the thing ids, so that no two writers wait for each other.
     */
    async putNew(news: readonly NewEntry[]): Promise<Map<EntryKey, JournalPosition>> {
      const ordered = news.toSorted((a, b) => (a.entry.thingId < b.entry.thingId ? -1 : 1));
      const entryRows = ordered.map(({ entry }) => entry);
      const versionRows = ordered.map(({ version }) => version);
      const changeRows = ordered.map(({ change }) => change);
      const written = await rowsOf<{ key: EntryKey; xid: string; id: string | number }>(
        db,
        sql`with entry as (
              insert into ${entries} (${entryNames}, version_id)
              select ${entryNames}, ${nextVersionId} from ${rowSetOf(entries, entryColumns, entryRows)}
              on conflict do nothing returning key, version_id),
            version as (
              insert into ${versions} (id, ${versionNames}) overriding system value
              select entry.version_id, ${versionNames} from ${rowSetOf(versions, versionColumns, versionRows)} as version
              join entry on entry.key = version.entry_key),
            change as (
              insert into ${journal} (${journalNames})
              select ${journalNames} from ${rowSetOf(journal, journalColumns, changeRows)} as change
              join entry on entry.key = change.entry_key
              returning entry_key, xid, id)
            select encode(entry_key, 'hex') as key, xid::text, id from change`,
      );
      return new Map(written.map(({ key, xid, id }) => [key, { xid, id: Number(id) }]));
    },

    /** Changes the entry alone; false where it is not as known any more. */
    async changeEntry(known: Known, change: Partial<CurrentEntry>): Promise<boolean> {
      const changed = await db.update(entries).set(change).where(asKnown(known)).returning({ key: entries.key });
      return changed.length > 0;
    },

    /** Keeps a version that does not become the current one. */
    async keepVersion(version: NewVersion): Promise<void> {
      await db.insert(versions).values(version);
    },

    /** Whether this very version is kept of the entry. */
    async hasVersion(key: EntryKey, versionDigest: Digest): Promise<boolean> {
      const found = await db
        .select({ id: versions.id })
        .from(versions)
        .where(and(eq(versions.entryKey, key), eq(versions.versionDigest, versionDigest)))
        .limit(1);
      return found.length > 0;
    },

    /** Deletes an unsigned entry with its versions. (A signed entry's row stays: it is the high-water mark.) */
    async deleteUnsigned(known: Known): Promise<boolean> {
      const deleted = await db
        .delete(entries)
        .where(and(asKnown(known), isNull(entries.controller)))
        .returning({ key: entries.key });
      if (deleted.length === 0) return false;
      await db.delete(versions).where(eq(versions.entryKey, known.key));
      return true;
    },

    /** Keeps the newest `keep` versions of an entry, and the current one in any case. */
    async pruneVersions(key: EntryKey, keep: number): Promise<void> {
      const [oldestKept] = await db
        .select({ id: versions.id })
        .from(versions)
        .where(eq(versions.entryKey, key))
        .orderBy(desc(versions.id))
        .offset(keep - 1)
        .limit(1);
      if (oldestKept === undefined) return;
      const current = db.select({ id: entries.versionId }).from(entries).where(eq(entries.key, key));
      await db
        .delete(versions)
        .where(and(eq(versions.entryKey, key), lt(versions.id, oldestKept.id), notInArray(versions.id, current)));
    },

    /** Binds `alias` to an entry; false when it belongs to another one. */
    async claimAlias(alias: string, key: EntryKey): Promise<boolean> {
      await db.insert(aliases).values({ alias, entryKey: key }).onConflictDoNothing();
      const taken = await db
        .select({ alias: aliases.alias })
        .from(aliases)
        .where(and(eq(aliases.alias, alias), ne(aliases.entryKey, key)));
      return taken.length === 0;
    },
  };
}

export type EntryWriter = ReturnType<typeof createEntryWriter>;

const { id: _versionId, ...versionColumns } = getTableColumns(versions);
const { sequence: _sequence, versionId: _currentId, ...entryColumns } = getTableColumns(entries);
const { xid: _xid, id: _journalId, ...journalColumns } = getTableColumns(journal);
const comma = sql.raw(", ");
const versionNames = namesOf(versionColumns);
const entryNames = namesOf(entryColumns);
const journalNames = namesOf(journalColumns);
const nextVersionId = sql.raw("nextval('versions_id_seq')");

function namesOf(columns: Record<string, PgColumn>): SQL {
  return sql.join(
    Object.values(columns).map(({ name }) => sql.identifier(name)),
    comma,
  );
}

function valuesOf(columns: Record<string, PgColumn>, row: Record<string, unknown>): SQL {
  return sql.join(
    Object.entries(columns).map(([name, column]) => sql.param(row[name] ?? null, column)),
    comma,
  );
}

function assignmentsOf(columns: Record<string, PgColumn>, row: Record<string, unknown>): SQL {
  return sql.join(
    Object.entries(columns).map(
      ([name, column]) => sql`${sql.identifier(column.name)} = ${sql.param(row[name] ?? null, column)}`,
    ),
    comma,
  );
}
