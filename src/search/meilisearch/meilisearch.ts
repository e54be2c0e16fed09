import type { Meilisearch } from "meilisearch";
import type { SearchChange, SearchEngine } from "../port.ts";
import { createClients, finished, isMissing, type MeilisearchServer } from "./client.ts";
import { mappingVersion } from "./documents.ts";
import { browse, rank } from "./searching.ts";
import { hasOurSettings, indexSettings } from "./settings.ts";
import { writeChanges } from "./writing.ts";

/** The oldest release with all that is used here: titles are compared as strings since 1.15. */
const releaseMin = { major: 1, minor: 15 };

/** The document that says who filled an index, and how. Its key is no entry's, and it has expired. */
const marker = { key: "marker", expires: 0, sequence: mappingVersion };

/** The engine on a Meilisearch server: an index of its own there, which a consumer of the journal fills. */
export interface MeilisearchEngine extends SearchEngine {
  /** The index's name on the server. */
  readonly uid: string;
  /** Brings the index up to date without any transaction; returns when the server has done it. */
  write(changes: SearchChange[], signal?: AbortSignal): Promise<void>;
  /**
   * Makes the index ready for `write`: with our settings, and ours. An index that is not (there is none; the server has
   * lost its data; it was filled by another version) is emptied, and `onEmptied` runs: all entries must be written again.
   * Throws where the server cannot be reached or is too old.
   */
  prepare(onEmptied: () => Promise<void>, signal?: AbortSignal): Promise<void>;
  /** Puts the index of `other` in the place of this one, in one step, and forgets what this one was. */
  replaceBy(other: MeilisearchEngine): Promise<void>;
  /** Deletes the index. */
  drop(): Promise<void>;
}

/** The name of the index of the registry whose database has `epoch`: registries may share a server. */
export function indexUidOf(epoch: string): string {
  return `thingstead-${epoch}`;
}

/**
 * Makes the engine. Nothing is asked of the server until it is used. The catalogue is that of `catalogue`, the engine in
 * the registry's own database: it counts exactly, in pages, and is always there.
 */
export function createMeilisearch(deps: {
  server: MeilisearchServer;
  uid: string;
  catalogue: Pick<SearchEngine, "capabilities">;
}): MeilisearchEngine {
  const { uid, catalogue } = deps;
  const { searching, writing } = createClients(deps.server);
  let isChecked = false;
  return {
    name: "meilisearch",
    uid,
    apply: (changes) => writeChanges(writing, uid, changes),
    write: (changes, signal) => writeChanges(writing, uid, changes, signal),
    // Meilisearch keeps itself in shape.
    async maintain() {},
    search: (query, now) =>
      query.words.trim() === "" ? browse(searching, uid, query, now) : rank(searching, uid, query, now),
    capabilities: (options, now) => catalogue.capabilities(options, now),
    async prepare(onEmptied, signal) {
      const isOurs = await hasMarker(writing, uid);
      if (isOurs && isChecked) return;
      await requireRelease(writing);
      if (!isOurs) await makeEmpty(writing, uid, signal);
      if (!hasOurSettings(await writing.index(uid).getSettings())) {
        await finished(writing, writing.index(uid).updateSettings(indexSettings), signal);
      }
      if (!isOurs) {
        await onEmptied();
        await finished(writing, writing.index(uid).addDocuments([marker], { primaryKey: "key" }), signal);
      }
      isChecked = true;
    },
    async replaceBy(other) {
      await finished(writing, writing.swapIndexes([{ indexes: [uid, other.uid], rename: false }]));
      await other.drop();
    },
    async drop() {
      isChecked = false;
      if (await exists(writing, uid)) await finished(writing, writing.deleteIndex(uid));
    },
  };
}

async function hasMarker(client: Meilisearch, uid: string): Promise<boolean> {
  try {
    const { sequence } = await client.index(uid).getDocument<{ sequence?: number }>(marker.key);
    return sequence === marker.sequence;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function exists(client: Meilisearch, uid: string): Promise<boolean> {
  try {
    await client.getRawIndex(uid);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function makeEmpty(client: Meilisearch, uid: string, signal: AbortSignal | undefined): Promise<void> {
  if (await exists(client, uid)) await finished(client, client.index(uid).deleteAllDocuments(), signal);
  else await finished(client, client.createIndex(uid, { primaryKey: "key" }), signal);
}

async function requireRelease(client: Meilisearch): Promise<void> {
  const { pkgVersion } = await client.getVersion();
  const [major = 0, minor = 0] = pkgVersion.split(".").map(Number);
  if (major > releaseMin.major || (major === releaseMin.major && minor >= releaseMin.minor)) return;
  throw new Error(
    `The Meilisearch server runs release ${pkgVersion}; ${releaseMin.major}.${releaseMin.minor} or later is needed. Update it, or set SEARCH_ENGINE=postgres.`,
  );
}
