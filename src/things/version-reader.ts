import { and, desc, eq } from "drizzle-orm";
import type { Digest, EntryKey } from "../base/ids.ts";
import type { Queryable } from "../db/client.ts";
import { versions } from "../db/schema/index.ts";
import type { VersionRow } from "./entry-store.ts";

/** Reads the documents of versions, the current one's and all others that are kept. The caller decides who may see them. */
export function createVersionReader(db: Queryable) {
  return {
    /** The version of an entry whose bytes have `digest`; null if none is kept. */
    async findVersion(key: EntryKey, digest: string): Promise<Pick<VersionRow, "kind" | "document"> | null> {
      const [found] = await db
        .select({ kind: versions.kind, document: versions.document })
        .from(versions)
        .where(and(eq(versions.entryKey, key), eq(versions.digest, digest as Digest)))
        // An unsigned entry may have had the same bytes more than once.
        .orderBy(desc(versions.id))
        .limit(1);
      return found ?? null;
    },
  };
}

export type VersionReader = ReturnType<typeof createVersionReader>;
