import { and, desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { Digest, EntryKey } from "../base/ids.ts";
import type { Queryable } from "../db/client.ts";
import { entries, versions } from "../db/schema/index.ts";
import type { EntryRow, VersionRow } from "./entry-store.ts";

/** How an entry stands now, whatever its state. */
export type Standing = Pick<EntryRow, "isPrimary" | "state" | "visibility" | "versionCount">;

/** A change as the journal names it: the document `digest` was accepted for an entry at an instant. */
export interface AcceptedVersion {
  entryKey: EntryKey;
  digest: Digest;
  at: Date;
}

/**
 * What was current before a change. `first`: nothing was, as far as the versions that are kept tell. `unknown`: the
 * version is not kept any more, or several of one instant are alike, so that there is no saying which one it was.
 */
export type Predecessor = Pick<VersionRow, "kind" | "document"> | "first" | "unknown";

/** Reads what the journal does not say about a change. Shows hidden entries as well: the caller decides who may see what. */
export function createChangeReader(db: Queryable) {
  return {
    /** The entries of `keys` that there are; unsigned ones are gone once they were removed. */
    async standingOf(keys: readonly EntryKey[]): Promise<Map<EntryKey, Standing>> {
      if (keys.length === 0) return new Map();
      const found = await db
        .select({
          key: entries.key,
          isPrimary: entries.isPrimary,
          state: entries.state,
          visibility: entries.visibility,
          versionCount: entries.versionCount,
        })
        .from(entries)
        .where(inArray(entries.key, [...keys]));
      return new Map(found.map(({ key, ...standing }) => [key, standing]));
    },

    /** The version that was the entry's current one until it was replaced by `change`. */
    async predecessorOf({ entryKey, digest, at }: AcceptedVersion): Promise<Predecessor> {
      const [version, another] = await db
        .select({ id: versions.id })
        .from(versions)
        .where(and(eq(versions.entryKey, entryKey), eq(versions.digest, digest), eq(versions.accepted, at)))
        .limit(2);
      if (version === undefined || another !== undefined) return "unknown";
      // Signed versions are accepted in the order of their proofs, but evidence of equivocation, which never was
      // current, lies between them: it is below what was current at its time. Unsigned ones have no proof.
      const [previous] = await db
        .select({ kind: versions.kind, document: versions.document })
        .from(versions)
        .where(and(eq(versions.entryKey, entryKey), lt(versions.id, version.id)))
        .orderBy(
          sql`${versions.versionCreated} desc nulls last`,
          sql`case when ${versions.versionCreated} is null then null else ${versions.versionDigest} end desc nulls last`,
          desc(versions.id),
        )
        .limit(1);
      return previous ?? "first";
    },
  };
}

export type ChangeReader = ReturnType<typeof createChangeReader>;
