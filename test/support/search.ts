import { entryKeyOf, type EntryKey, type ThingId } from "../../src/base/ids.ts";
import {
  type FacetName,
  facetNames,
  type SearchAffordance,
  type SearchDocument,
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
  const none = Object.fromEntries(facetNames.map((name): [FacetName, string[]] => [name, []]));
  return { ...(none as Record<FacetName, string[]>), ...given };
}
