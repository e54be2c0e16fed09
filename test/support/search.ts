import type { Database } from "../../src/db/client.ts";
import { entryKeyOf, type EntryKey, type ThingId } from "../../src/base/ids.ts";
import {
  noFilters,
  type SearchAffordance,
  type SearchDocument,
  type SearchEngine,
  type SearchQuery,
} from "../../src/search/port.ts";

/** Entry number `sequence` as search sees it, with what the test is about. */
export function searchDocument(
  sequence: number,
  { title, ...facts }: Partial<SearchDocument> & { title?: string } = {},
): SearchDocument {
  return {
    key: searchKey(sequence),
    sequence,
    expires: null,
    modified: new Date(Date.UTC(2026, 0, 1) + sequence * 1_000),
    latencyMs: null,
    controller: null,
    origin: null,
    verified: false,
    badges: [],
    titles: [{ language: null, text: title ?? `Entry ${sequence}` }],
    descriptions: [],
    types: ["Thing"],
    affordances: [],
    protocols: [],
    mediaTypes: [],
    inputMediaTypes: [],
    outputMediaTypes: [],
    tags: [],
    vendors: [],
    languages: [],
    examples: [],
    ...facts,
  };
}

/** Entries of one batch, as the indexer has them. */
const batchMax = 500;

/** Puts entries into the index of an engine in `db`. */
export async function indexDocuments(
  engine: SearchEngine,
  db: Database,
  documents: readonly SearchDocument[],
): Promise<void> {
  for (let start = 0; start < documents.length; start += batchMax) {
    const batch = documents.slice(start, start + batchMax);
    await engine.apply(
      batch.map((document) => ({ key: document.key, document })),
      db.orm,
    );
  }
  await engine.maintain();
}

export function searchKey(sequence: number): EntryKey {
  return entryKeyOf(null, `urn:test:${sequence}` as ThingId);
}

export function searchAction(name: string, facts: Partial<SearchAffordance> = {}): SearchAffordance {
  return { kind: "action", name, titles: [], descriptions: [], types: [], details: [], ...facts };
}

/** Words, and what else the test is about. */
export function searchFor(words: string, rest: Partial<SearchQuery> = {}): SearchQuery {
  return {
    words,
    order: "newest",
    filters: searchFilters(),
    controller: null,
    origin: null,
    verified: null,
    latencyMsMax: null,
    modifiedSince: null,
    withoutOrigins: [],
    facets: [],
    limit: 20,
    cursor: null,
    explain: false,
    ...rest,
  };
}

export function searchFilters(given: Partial<SearchQuery["filters"]> = {}): SearchQuery["filters"] {
  return { ...noFilters(), ...given };
}
