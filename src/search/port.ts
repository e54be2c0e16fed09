import type { Queryable } from "../db/client.ts";
import type { Did, EntryKey } from "../base/ids.ts";

/** Text in a language (BCP 47, lower-case), or in an unknown one. */
export interface SearchText {
  language: string | null;
  text: string;
}

/** A property, action or event as search sees it. */
export interface SearchAffordance {
  kind: "property" | "action" | "event";
  name: string;
  titles: SearchText[];
  descriptions: SearchText[];
  types: string[];
  /** Words of its schemas: names and titles of inputs and outputs, enumerated values. */
  details: SearchText[];
}

/** What an engine indexes of one entry. */
export interface SearchDocument {
  key: EntryKey;
  /** Order of first registration; no two entries have the same. */
  sequence: number;
  expires: Date | null;
  /** Last change here. */
  modified: Date;
  /** Milliseconds in which the thing promises to answer; null if it promises nothing. */
  latencyMs: number | null;
  controller: Did | null;
  origin: string | null;
  verified: boolean;
  badges: string[];
  titles: SearchText[];
  descriptions: SearchText[];
  types: string[];
  affordances: SearchAffordance[];
  protocols: string[];
  /** All content types; `inputMediaTypes` are taken, `outputMediaTypes` are given. */
  mediaTypes: string[];
  inputMediaTypes: string[];
  outputMediaTypes: string[];
  tags: string[];
  vendors: string[];
  languages: string[];
  examples: SearchText[];
}

/** A change of the index: the entry as it is now, or its disappearance. */
export type SearchChange = { key: EntryKey; document: SearchDocument } | { key: EntryKey; document: null };

/** The facets that `/search` counts, which are filters as well. */
export const facetNames = [
  "capability",
  "type",
  "protocol",
  "media",
  "input",
  "output",
  "tag",
  "vendor",
  "lang",
  "badge",
] as const;
export type FacetName = (typeof facetNames)[number];

/** Filters that let everything through. */
export function noFilters(): Record<FacetName, string[]> {
  const none = facetNames.map((name): [FacetName, string[]] => [name, []]);
  return Object.fromEntries(none) as Record<FacetName, string[]>;
}

/** How entries are ordered where there are no words to rank by: newest registration first, last change first, by title. */
export const browseOrders = ["newest", "modified", "title"] as const;
export type BrowseOrder = (typeof browseOrders)[number];

/** Filters are conjunctive: each given value must hold. Matching ignores case. */
export interface SearchQuery {
  /** Words as typed; empty to browse. */
  words: string;
  /** Counts for a query without words only. */
  order: BrowseOrder;
  filters: Record<FacetName, string[]>;
  controller: string | null;
  origin: string | null;
  verified: boolean | null;
  /** Only what promises to answer within so many milliseconds. */
  latencyMsMax: number | null;
  /** Only what was changed at this instant or later. */
  modifiedSince: Date | null;
  /** Origins of which nothing is wanted. */
  withoutOrigins: string[];
  facets: FacetName[];
  /** 1 to `limits.searchPageMax`. */
  limit: number;
  /** `next` of the page before. */
  cursor: string | null;
  /** Whether hits say how their scores came about. */
  explain: boolean;
}

export interface SearchHit {
  key: EntryKey;
  /** Higher is better; comparable within one query only. */
  score: number;
  /** Which affordances answered: `capability` as searched (the words that hit, or the filter's value), and whose. */
  matched: { capability: string; name: string }[];
  /** How the score came about, where that was asked for. */
  explanation?: HitExplanation;
}

/** What made a hit's score. Parts of one engine add up to its `score`; those of several are fused by their ranks. */
export interface HitExplanation {
  /** The engine that scored, for instance `postgres`. */
  engine: string;
  score: number;
  /** What each word of the query has added, in the query's order. */
  words: WordExplanation[];
  /** Where an engine ranks by rules and not by words: what each rule gave, from 0 to 1. */
  rules?: { rule: string; score: number }[];
  /** Where engines were fused: what each has said of the hit. */
  lists?: { engine: string; rank: number; score: number }[];
}

export interface WordExplanation {
  /** As typed, folded and in lower case. */
  word: string;
  /** The words of the index that answered it: itself, its stem, or what it can have meant. */
  forms: string[];
  /** What it adds to the score. */
  score: number;
  /** Its rarity among all entries: what it can add at most. */
  rarity: number;
  /** From 0 to 1: how much of the entry it says. */
  impact: number;
  /** Where the entry has it, and how much each place weighs. Affordances are named. */
  places: { field: string; affordance: string | null; weight: number }[];
}

export interface FacetCounts {
  values: { value: string; count: number }[];
  /** True when only a part of the matches was counted. */
  approximate: boolean;
}

export interface SearchPage {
  hits: SearchHit[];
  facets: Partial<Record<FacetName, FacetCounts>>;
  /** Present while there are more hits. */
  next: string | null;
  /** Parts of search that were to answer and could not, for instance `meilisearch`: others stood in for them. */
  degraded?: string[];
}

/** A capability name and how many entries have it. */
export interface CapabilityCount {
  capability: string;
  count: number;
}

/**
 * An index of entries. It returns keys and scores only: documents and visibility are read from the database, so a
 * stale index cannot show a retracted thing (design §3.8).
 */
export interface SearchEngine {
  readonly name: string;
  /**
   * Brings the index up to date; idempotent. `tx` is the transaction in which the journal's consumer stands, for
   * engines that live in the same database.
   */
  apply(changes: SearchChange[], tx: Queryable): Promise<void>;
  /** Upkeep that need not be in a batch's transaction: statistics, vocabulary. Called after batches. */
  maintain(): Promise<void>;
  /** Throws `Problem("invalid-parameter")` for a cursor that it did not make. */
  search(query: SearchQuery, now: Date): Promise<SearchPage>;
  /** The catalogue, most frequent first; `prefix` narrows it, `after` is the last name of the page before. */
  capabilities(
    options: { prefix: string; limit: number; after: CapabilityCount | null },
    now: Date,
  ): Promise<CapabilityCount[]>;
}
