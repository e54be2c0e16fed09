import { codePointOrder, filterOf, normalised, valuesAt } from "./meilisearch-filter.ts";

/*
 * Searching, for the stand-in of a Meilisearch server: which documents pass and match, and in an order that follows
 * Meilisearch's documented rules "words", "attribute" and a last custom rule, roughly.
 */

export type MeilisearchDocument = Record<string, unknown>;

export interface MeilisearchSettings {
  displayedAttributes: string[];
  searchableAttributes: string[];
  filterableAttributes: string[];
  sortableAttributes: string[];
  rankingRules: string[];
  typoTolerance: Record<string, unknown>;
  faceting: { maxValuesPerFacet: number; sortFacetValuesBy: Record<string, "alpha" | "count"> };
  pagination: { maxTotalHits: number };
  [name: string]: unknown;
}

/** As the documentation gives them. */
export function defaultSettings(): MeilisearchSettings {
  return {
    displayedAttributes: ["*"],
    searchableAttributes: ["*"],
    filterableAttributes: [],
    sortableAttributes: [],
    rankingRules: ["words", "typo", "proximity", "attribute", "sort", "exactness"],
    stopWords: [],
    nonSeparatorTokens: [],
    separatorTokens: [],
    dictionary: [],
    synonyms: {},
    distinctAttribute: null,
    proximityPrecision: "byWord",
    typoTolerance: {
      enabled: true,
      minWordSizeForTypos: { oneTypo: 5, twoTypos: 9 },
      disableOnWords: [],
      disableOnAttributes: [],
      disableOnNumbers: false,
    },
    faceting: { maxValuesPerFacet: 100, sortFacetValuesBy: { "*": "alpha" } },
    pagination: { maxTotalHits: 1_000 },
    embedders: {},
    searchCutoffMs: null,
    localizedAttributes: null,
    facetSearch: true,
    prefixSearch: "indexingTime",
  };
}

/** A request that Meilisearch answers with 400. */
export class RequestFault extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface MeilisearchIndex {
  createdAt: string;
  primaryKey: string | null;
  documents: Map<string, MeilisearchDocument>;
  settings: MeilisearchSettings;
}

export interface MeilisearchQuery {
  q?: string | null;
  filter?: unknown;
  sort?: string[];
  matchingStrategy?: "all" | "last" | "frequency";
  attributesToRetrieve?: string[];
  showRankingScore?: boolean;
  showRankingScoreDetails?: boolean;
}

export interface Ranked {
  document: MeilisearchDocument;
  score: number;
  matchingWords: number;
}

/** Words of one query that are looked at. */
const queryWordsMax = 10;

/** The documents that pass and match, in their order. */
export function ranked({ documents, settings }: MeilisearchIndex, query: MeilisearchQuery): Ranked[] {
  const passes = filterOf(query.filter, settings.filterableAttributes);
  const candidates = [...documents.values()].filter(passes);
  const words = wordsOf(query.q ?? "").slice(0, queryWordsMax);
  const found =
    words.length === 0
      ? candidates.map((document) => ({ document, score: 1, matchingWords: 0 }))
      : matching(candidates, words, query.matchingStrategy ?? "last", settings);
  const rules = [...(query.sort ?? []), ...settings.rankingRules.filter((rule) => rule.includes(":"))].map((rule) => {
    const [attribute = "", direction] = rule.split(":");
    if (query.sort?.includes(rule) && !settings.sortableAttributes.includes(attribute)) {
      throw new RequestFault("invalid_search_sort", `Attribute \`${attribute}\` is not sortable.`);
    }
    return { attribute, sign: direction === "desc" ? -1 : 1 };
  });
  return found.toSorted((a, b) => {
    if (a.score !== b.score) return b.score - a.score;
    for (const { attribute, sign } of rules) {
      const order = valueOrder(a.document[attribute], b.document[attribute]);
      if (order !== 0) return order * sign;
    }
    return 0;
  });
}

/** Counts of the values of `facets` among `documents`. */
export function distributionOf(
  documents: readonly MeilisearchDocument[],
  facets: readonly string[],
  { filterableAttributes, faceting }: MeilisearchSettings,
): Record<string, Record<string, number>> {
  return Object.fromEntries(
    facets.map((facet) => {
      if (!filterableAttributes.includes(facet)) {
        throw new RequestFault("invalid_search_facets", `Attribute \`${facet}\` is not filterable.`);
      }
      const counts = new Map<string, { value: string; count: number }>();
      for (const document of documents) {
        const values = new Map(valuesAt(document, facet).map((value) => [normalised(String(value)), String(value)]));
        for (const [key, value] of values) {
          const had = counts.get(key) ?? { value, count: 0 };
          counts.set(key, { ...had, count: had.count + 1 });
        }
      }
      const byCount = (faceting.sortFacetValuesBy[facet] ?? faceting.sortFacetValuesBy["*"]) === "count";
      const listed = [...counts]
        .sort(
          ([a, { count: countA }], [b, { count: countB }]) => (byCount ? countB - countA : 0) || codePointOrder(a, b),
        )
        .slice(0, faceting.maxValuesPerFacet);
      return [facet, Object.fromEntries(listed.map(([, { value, count }]) => [value, count]))];
    }),
  );
}

/** The document as it is shown. */
export function shown(
  document: MeilisearchDocument,
  { displayedAttributes }: MeilisearchSettings,
  wanted: readonly string[] = ["*"],
): MeilisearchDocument {
  const has = (list: readonly string[], name: string) => list.includes("*") || list.includes(name);
  return Object.fromEntries(
    Object.entries(document).filter(([name]) => has(displayedAttributes, name) && has(wanted, name)),
  );
}

function matching(
  documents: MeilisearchDocument[],
  words: string[],
  strategy: "all" | "last" | "frequency",
  { searchableAttributes }: MeilisearchSettings,
): Ranked[] {
  const placed = documents.map((document) => ({ document, places: placesIn(document, words, searchableAttributes) }));
  const frequencies = words.map((_, index) => placed.filter(({ places }) => places[index] !== null).length);
  // The groups of words that are given up one after the other; the last one never is.
  const cost = words.map((_, index) =>
    strategy === "frequency" ? -(frequencies[index] || Number.MAX_SAFE_INTEGER) : -index,
  );
  const order = [...new Set(cost)].sort((a, b) => a - b);
  const given = strategy === "all" ? [] : order.slice(0, -1);
  const required = [[], ...given.map((_, index) => given.slice(0, index + 1))].map((dropped) =>
    words.flatMap((_, index) => (dropped.includes(cost[index] ?? 0) ? [] : [index])),
  );
  return placed.flatMap(({ document, places }) => {
    if (!required.some((indexes) => indexes.every((index) => places[index] !== null))) return [];
    const hit = places.filter((place): place is number => place !== null);
    const attribute = hit.reduce((sum, place) => sum + place, 0) / hit.length / searchableAttributes.length;
    const score = hit.length / words.length - attribute / (2 * words.length);
    return [{ document, score, matchingWords: hit.length }];
  });
}

/** Of each word, the first attribute that has it; null where none has. The last word may be the beginning of one. */
function placesIn(document: MeilisearchDocument, words: string[], attributes: string[]): (number | null)[] {
  const texts = attributes.map((attribute) => {
    const lists = valuesAt(document, attribute).map((value) => wordsOf(String(value)));
    // A word may be typed as one that stands as two, and the other way round.
    const pairs = lists.flatMap((list) => list.slice(1).map((word, index) => `${list[index]}${word}`));
    return [...lists.flat(), ...pairs];
  });
  return words.map((word, index) => {
    const isLast = index === words.length - 1;
    const joined = [`${words[index - 1] ?? ""}${word}`, `${word}${words[index + 1] ?? ""}`];
    const place = texts.findIndex((all) =>
      all.some((one) => one === word || joined.includes(one) || (isLast && one.startsWith(word))),
    );
    return place === -1 ? null : place;
  });
}

/** Words without case and accents, split where case changes; characters of scripts without spaces are words each. */
function wordsOf(text: string): string[] {
  return (
    text
      .replaceAll(/(\p{Ll})(\p{Lu})/gu, "$1 $2")
      .normalize("NFKD")
      .replaceAll(/\p{M}/gu, "")
      .toLowerCase()
      .match(/\p{Script=Han}|(?:(?!\p{Script=Han})[\p{L}\p{N}])+/gu) ?? []
  );
}

/** Numbers before strings, and what has no value last. */
function valueOrder(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return codePointOrder(normalised(a), normalised(b));
  const place = (value: unknown) => (typeof value === "number" ? 0 : typeof value === "string" ? 1 : 2);
  return place(a) - place(b);
}
