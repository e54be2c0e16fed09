import { and, eq, inArray, lte, sql } from "drizzle-orm";
import type { Digest, EntryKey } from "../base/ids.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import { assessments, entries, entryNames } from "../db/schema/index.ts";
import { stubsOf } from "./confusable.ts";

export type AssessmentRow = typeof assessments.$inferSelect;
export type EntryName = Pick<typeof entryNames.$inferSelect, "field" | "name" | "skeleton">;

/** A name of another entry that is like one of an entry's own. */
export interface LikeName {
  /** The entry whose name was looked for. */
  ofKey: EntryKey;
  name: string;
  field: "title" | "vendor";
  knownKey: EntryKey;
  knownName: string;
  strength: number;
}

/** Names that are compared with one name; of more, the strongest and oldest count. */
const likeNamesMax = 20;

/** Reads and writes what has been found out about entries since their documents were accepted. Only admission writes. */
export function createAssessmentStore(db: Queryable) {
  return {
    /** The assessments that there are of `keys`. */
    async find(keys: readonly EntryKey[]): Promise<Map<EntryKey, AssessmentRow>> {
      if (keys.length === 0) return new Map();
      const found = await db
        .select()
        .from(assessments)
        .where(inArray(assessments.key, [...keys]));
      return new Map(found.map((row) => [row.key, row]));
    },

    /** Asks for an assessment of `keys` at `due`, or earlier if one is due earlier. */
    async request(keys: readonly EntryKey[], due: Date): Promise<void> {
      if (keys.length === 0) return;
      await rowsOf(
        db,
        sql`insert into ${assessments} (key, version_digest, state, since, badges, findings, due)
            select key, version_digest, 'verified', coalesce(verified_at, modified), '[]'::jsonb, '[]'::jsonb, ${due.toISOString()}::timestamptz
            from ${entries} where ${inArray(entries.key, [...keys])}
            on conflict (key) do update set due = least(${assessments.due}, excluded.due)`,
      );
    },

    /**
     * Takes assessments that are due: until `until` no other node gets the same ones, and if this process dies they
     * are due again then.
     */
    async claimDue(now: Date, until: Date, limit: number): Promise<AssessmentRow[]> {
      const due = db
        .select({ key: assessments.key })
        .from(assessments)
        .where(lte(assessments.due, now))
        .orderBy(assessments.due)
        .limit(limit)
        .for("update", { skipLocked: true });
      return db.update(assessments).set({ due: until }).where(inArray(assessments.key, due)).returning();
    },

    /** Whether the entry still has this version, and is active; it stays so until the transaction ends. */
    async holds(key: EntryKey, versionDigest: Digest): Promise<boolean> {
      const found = await db
        .select({ key: entries.key })
        .from(entries)
        .where(and(eq(entries.key, key), eq(entries.versionDigest, versionDigest), eq(entries.state, "active")))
        .for("share");
      return found.length > 0;
    },

    // Names are written before assessments in every transaction, so that no two of them wait for each other.

    /** Writes an assessment. */
    async put(row: AssessmentRow): Promise<void> {
      const { key: _, ...set } = row;
      await db.insert(assessments).values(row).onConflictDoUpdate({ target: assessments.key, set });
    },

    /** Forgets what there is about `keys`. */
    async remove(keys: readonly EntryKey[]): Promise<void> {
      if (keys.length === 0) return;
      await db.delete(entryNames).where(inArray(entryNames.key, [...keys]));
      await db.delete(assessments).where(inArray(assessments.key, [...keys]));
    },

    /** Replaces the names of `names`' entries. */
    async putNames(names: ReadonlyMap<EntryKey, { names: readonly EntryName[]; strength: number }>): Promise<void> {
      if (names.size === 0) return;
      await db.delete(entryNames).where(inArray(entryNames.key, [...names.keys()]));
      const rows = [...names].flatMap(([key, { names: ofEntry, strength }]) =>
        ofEntry.map((name) => ({ ...name, key, strength, stubs: strength > 1 ? stubsOf(name.skeleton) : null })),
      );
      if (rows.length > 0) await db.insert(entryNames).values(rows).onConflictDoNothing();
    },

    /**
     * Names of entries by other controllers that hold a stronger badge, which are written alike or nearly alike:
     * candidates, to be compared in full. None for a name under which the controller itself holds as strong a badge.
     */
    async findLikeNames(
      wanted: readonly { key: EntryKey; strength: number; names: readonly EntryName[] }[],
    ): Promise<LikeName[]> {
      // Most registries have few names that are known, and many have none: then nothing else has to be done.
      const known = await db
        .select({ key: entryNames.key })
        .from(entryNames)
        .where(sql`${entryNames.strength} > 1`)
        .limit(1);
      if (known.length === 0) return [];
      const looked = wanted.flatMap(({ key, strength, names }) =>
        names.map((name) => ({ ...name, key: `\\x${key}`, strength, stubs: stubsOf(name.skeleton) })),
      );
      if (looked.length === 0) return [];
      const rows = await rowsOf<{
        of_key: Uint8Array;
        field: "title" | "vendor";
        name: string;
        known_key: Uint8Array;
        known_name: string;
        strength: number;
      }>(
        db,
        sql`select w.key as of_key, w.field, w.name, k.key as known_key, k.name as known_name, k.strength
            from json_to_recordset(${JSON.stringify(looked)}::text::json)
              as w(key bytea, strength integer, field text, name text, skeleton text, stubs text[])
            cross join lateral (
              select n.key, n.name, n.strength from ${entryNames} n
              where n.strength > 1 and n.strength > w.strength and n.field = w.field and n.key <> w.key
                and n.stubs && w.stubs
              order by n.strength desc, n.key limit ${likeNamesMax}) k
            join ${entries} mine on mine.key = w.key
            join ${entries} theirs on theirs.key = k.key and theirs.state = 'active' and theirs.visibility = 'public'
            where theirs.controller is distinct from mine.controller
              -- Who has made a name known may use it again.
              and not exists (
                select from ${entryNames} own join ${entries} on ${entries.key} = own.key
                where own.skeleton = w.skeleton and own.field = w.field and own.strength >= k.strength
                  and ${entries.controller} = mine.controller and ${entries.state} = 'active')`,
      );
      return rows.map((row) => ({
        ofKey: hexOf(row.of_key),
        name: row.name,
        field: row.field,
        knownKey: hexOf(row.known_key),
        knownName: row.known_name,
        strength: row.strength,
      }));
    },

    /** Entries with a weaker badge that have one of these very skeletons: what a stronger badge makes lookalikes. */
    async findWeakerNamesakes(names: readonly EntryName[], strength: number, limit: number): Promise<EntryKey[]> {
      if (names.length === 0) return [];
      const found = await db
        .selectDistinct({ key: entryNames.key })
        .from(entryNames)
        .where(
          and(
            inArray(
              entryNames.skeleton,
              names.map(({ skeleton }) => skeleton),
            ),
            sql`${entryNames.strength} < ${strength}`,
          ),
        )
        .limit(limit);
      return found.map(({ key }) => key);
    },
  };
}

export type AssessmentStore = ReturnType<typeof createAssessmentStore>;

/** Whether an assessment is about this version of an entry. */
export function isAbout(row: AssessmentRow | null | undefined, versionDigest: Digest): row is AssessmentRow {
  return row !== null && row !== undefined && row.assessed !== null && row.versionDigest === versionDigest;
}

function hexOf(bytes: Uint8Array): EntryKey {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex") as EntryKey;
}
