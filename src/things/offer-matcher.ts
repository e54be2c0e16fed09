import { and, desc, eq, inArray } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { type Digest, digestOf, type EntryKey } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Queryable } from "../db/client.ts";
import { entries, type FollowFilter, versions } from "../db/schema/index.ts";
import type { ListedDigest } from "./entry-digests.ts";

/** The current document of an entry. */
export interface CurrentDocument {
  key: EntryKey;
  digest: Digest;
  kind: "description" | "tombstone";
  document: string;
}

/** Answers that are kept, by document and filter: comparing lists asks for the same ones again and again. */
const answersMax = 100_000;

/** Documents that are in memory at once. */
const documentsMax = 32;

/** Earlier versions that are looked at. */
const earlierVersionsMax = 20;

/** Finds out which entries a follower's filter lets through, by their documents. */
export function createOfferMatcher(db: Queryable, matches: (td: JsonObject, filter: FollowFilter) => boolean) {
  const answers = new LRUCache<string, boolean>({ max: answersMax });

  /** A Tombstone says nothing of what the thing was: then its last description counts, and without one it is let through. */
  async function isMatch({ key, kind, document }: CurrentDocument, filter: FollowFilter): Promise<boolean> {
    if (kind === "description") return matches(objectIn(document), filter);
    const [last] = await descriptionsOf(key, 1);
    return last === undefined || matches(objectIn(last), filter);
  }

  async function descriptionsOf(key: EntryKey, limit: number): Promise<string[]> {
    const found = await db
      .select({ document: versions.document })
      .from(versions)
      .where(and(eq(versions.entryKey, key), eq(versions.kind, "description")))
      .orderBy(desc(versions.id))
      .limit(limit);
    return found.map(({ document }) => document);
  }

  async function readCurrent(keys: readonly EntryKey[]): Promise<CurrentDocument[]> {
    return db
      .select({ key: entries.key, digest: entries.digest, kind: versions.kind, document: versions.document })
      .from(entries)
      .innerJoin(versions, eq(versions.id, entries.versionId))
      .where(inArray(entries.key, [...keys]));
  }

  return {
    /**
     * The entries among `listed` that match.
     * @param read reads documents that are not known yet; by default the entries' current ones.
     */
    async matching(
      listed: readonly ListedDigest[],
      filter: FollowFilter,
      read: (keys: readonly EntryKey[]) => Promise<CurrentDocument[]> = readCurrent,
    ): Promise<Set<EntryKey>> {
      const said = JSON.stringify([filter.capability, filter.type, filter.lang]);
      const nameOf = (digest: Digest) => digestOf(`${said}\n${digest}`);
      const found = new Set<EntryKey>();
      const unknown: EntryKey[] = [];
      for (const { key, digest } of listed) {
        const answer = answers.get(nameOf(digest));
        if (answer === undefined) unknown.push(key);
        else if (answer) found.add(key);
      }
      for (let start = 0; start < unknown.length; start += documentsMax) {
        for (const current of await read(unknown.slice(start, start + documentsMax))) {
          const answer = await isMatch(current, filter);
          answers.set(nameOf(current.digest), answer);
          if (answer) found.add(current.key);
        }
      }
      return found;
    },

    /** Whether any of the last versions of an entry that are kept matches. */
    async hasMatched(key: EntryKey, filter: FollowFilter): Promise<boolean> {
      const documents = await descriptionsOf(key, earlierVersionsMax);
      return documents.some((document) => matches(objectIn(document), filter));
    },
  };
}

/** A stored document as an object. It passed admission, so it is not checked again. */
function objectIn(document: string): JsonObject {
  const value = JSON.parse(document) as JsonValue;
  if (!isJsonObject(value)) throw new Error("a stored document is not an object");
  return value;
}
