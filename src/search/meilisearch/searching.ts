import type {
  FacetDistribution,
  FederatedMultiSearchParams,
  Meilisearch,
  MultiSearchQueryWithFederation,
  RankingScoreDetails,
} from "meilisearch";
import type { EntryKey } from "../../base/ids.ts";
import { capabilityKey, isStopWord, splitName } from "../analyser.ts";
import { decodeBrowsedCursor, encodeBrowsedCursor, fingerprintOf } from "../cursor.ts";
import type { IndexedAffordance } from "../index-row.ts";
import { matchedOf, type TypedTerm } from "../matched.ts";
import type { FacetCounts, FacetName, SearchHit, SearchPage, SearchQuery } from "../port.ts";
import { saidIn, wordsOf } from "../words.ts";
import { decodeOffset, encodeOffset } from "./cursor.ts";
import { readFacetToken } from "./documents.ts";
import { explanationOf, rounded } from "./explain.ts";
import { afterPlace, filterOf, placeOf, sortOf } from "./filters.ts";
import { facetAttribute, facetValuesMax, rankedHitsMax, shownAttributes } from "./settings.ts";

/** Values of one facet that are shown. */
const valuesShownMax = 20;
/** Words of one query that Meilisearch looks at; it ignores the rest. */
const wordsMax = 10;

/** What a search answers of an entry. */
interface FoundDocument {
  key: EntryKey;
  sequence: number;
  modified: number;
  titleKey: string;
  affordances: IndexedAffordance[];
  _rankingScoreDetails?: RankingScoreDetails;
  _federation?: { weightedRankingScore: number };
}

/** What passes the filters, in the query's order: each page begins where the one before ended, whatever came or went. */
export async function browse(client: Meilisearch, uid: string, query: SearchQuery, now: Date): Promise<SearchPage> {
  const { limit, order, cursor } = query;
  const fingerprint = fingerprintOf(query);
  const after = cursor === null ? null : decodeBrowsedCursor(cursor, fingerprint, order);
  const filter = filterOf(query, now);
  const page = { q: "", attributesToRetrieve: [...shownAttributes] };
  const found = await client.index(uid).search<FoundDocument>(null, {
    ...page,
    filter: after === null ? filter : [...filter, afterPlace(order, after)],
    sort: sortOf(order),
    limit: limit + 1,
    ...(after === null && query.facets.length > 0 ? { facets: query.facets.map(facetAttribute) } : {}),
  });
  // Facets count all that passes the filters, which is more than what comes after the place.
  const counted =
    after === null || query.facets.length === 0
      ? found
      : await client.index(uid).search(null, { ...page, filter, limit: 0, facets: query.facets.map(facetAttribute) });
  const shown = found.hits.slice(0, limit);
  const last = shown.at(-1);
  return {
    hits: shown.map((document) => hitOf(document, query, [])),
    facets: facetsOf(query.facets, counted.facetDistribution),
    next:
      found.hits.length > limit && last !== undefined
        ? encodeBrowsedCursor({ query: fingerprint, ...placeOf(order, last) })
        : null,
  };
}

/**
 * What has any of the words and passes the filters, best first. A search in Meilisearch wants all words, or all but some;
 * so each word is searched for by itself as well, and what has more of them comes first.
 *
 * https://www.meilisearch.com/docs/capabilities/multi_search/getting_started/federated_search
 */
export async function rank(client: Meilisearch, uid: string, query: SearchQuery, now: Date): Promise<SearchPage> {
  const { limit, cursor, facets } = query;
  const fingerprint = fingerprintOf(query);
  const offset = cursor === null ? 0 : decodeOffset(cursor, fingerprint);
  const filter = filterOf(query, now);
  const words = rankedWordsOf(query.words);
  if (words.length === 0) return { hits: [], facets: facetsOf(facets, undefined), next: null };

  const searchFor = (q: string, weight: number): MultiSearchQueryWithFederation => ({
    indexUid: uid,
    q,
    filter,
    // Of words that are not all found together, the rarest must be there.
    matchingStrategy: "frequency",
    attributesToRetrieve: [...shownAttributes],
    ...(query.explain ? { showRankingScoreDetails: true } : {}),
    federationOptions: { weight },
  });
  const alone = words.length === 1 ? [] : words.map((word) => searchFor(word, 1 / (words.length + 1)));
  const found = await client.multiSearch<FederatedMultiSearchParams, FoundDocument>({
    federation: {
      offset,
      limit: Math.min(limit + 1, rankedHitsMax - offset + 1),
      ...(facets.length > 0 ? { facetsByIndex: { [uid]: facets.map(facetAttribute) } } : {}),
    },
    queries: [searchFor(words.join(" "), 1), ...alone],
  });
  const shown = found.hits.slice(0, limit) as FoundDocument[];
  const end = offset + shown.length;
  const terms = termsOf(query.words);
  return {
    hits: shown.map((document) => hitOf(document, query, terms)),
    facets: facetsOf(facets, found.facetsByIndex?.[uid]?.distribution),
    next: found.hits.length > limit && end < rankedHitsMax ? encodeOffset(fingerprint, end) : null,
  };
}

/**
 * The words of `text` as they are searched for: the same splitting as in names, without those that say nothing, and so
 * without what Meilisearch would take for its operators (quotes, a hyphen before a word). Its engine does the rest.
 */
function rankedWordsOf(text: string): string[] {
  const all = [...new Set(splitName(saidIn(text).toWellFormed()))];
  const telling = all.filter((word) => !isStopWord(word));
  return (telling.length > 0 ? telling : all).slice(0, wordsMax);
}

function termsOf(text: string): TypedTerm[] {
  return wordsOf(text).map(({ plain, forms, joined }) => ({
    typed: plain,
    joined,
    forms,
    factor: 1,
    entries: 0,
    tiers: [],
  }));
}

function hitOf(document: FoundDocument, query: SearchQuery, terms: TypedTerm[]): SearchHit {
  const { key, affordances, _federation: federation, _rankingScoreDetails: details } = document;
  const keys = query.filters.capability.map((value) => ({ value, key: capabilityKey(value) }));
  const score = rounded(federation?.weightedRankingScore ?? 0);
  return {
    key,
    score,
    matched: matchedOf(affordances, terms, keys),
    ...(query.explain && federation !== undefined ? { explanation: explanationOf(score, details) } : {}),
  };
}

/** Counts by value: spellings of one value are one, shown as most entries spell it. */
function facetsOf(facets: FacetName[], distribution: FacetDistribution | undefined): SearchPage["facets"] {
  return Object.fromEntries(
    facets.map((facet) => [facet, countsOf(Object.entries(distribution?.[facetAttribute(facet)] ?? {}))]),
  );
}

function countsOf(spellings: [string, number][]): FacetCounts {
  const counted = new Map<string, { value: string; count: number; most: number }>();
  for (const [token, count] of spellings) {
    const { key, label } = readFacetToken(token);
    const had = counted.get(key) ?? { value: label, count: 0, most: 0 };
    const isUsual = count > had.most || (count === had.most && label < had.value);
    counted.set(key, {
      value: isUsual ? label : had.value,
      count: had.count + count,
      most: Math.max(count, had.most),
    });
  }
  const values = [...counted.values()]
    .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
    .slice(0, valuesShownMax)
    .map(({ value, count }) => ({ value, count }));
  return { values, approximate: spellings.length >= facetValuesMax };
}
