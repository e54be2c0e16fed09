import { isDeepStrictEqual } from "node:util";
import type { Settings } from "meilisearch";
import { facetNames } from "../port.ts";
import { searchedFields } from "./documents.ts";

/** Values of one facet that Meilisearch counts. More than are shown: spellings of one value are counted apart. */
export const facetValuesMax = 500;

/** Ranked hits of one query that can be paged through. */
export const rankedHitsMax = 10_000;

/** Attributes that stand beside hits: what cursors and `matched` are made of. */
export const shownAttributes = ["key", "sequence", "modified", "titleKey", "affordances"] as const;

/**
 * What our indexes are set to. Names and values are those of Meilisearch's settings API; what is not named here stays at
 * its default. https://www.meilisearch.com/docs/reference/api/settings
 */
export const indexSettings: Settings = {
  displayedAttributes: [...shownAttributes],
  // In order of weight: the rule "attribute" ranks by it.
  searchableAttributes: [...searchedFields],
  filterableAttributes: [
    "filters",
    "sequence",
    "expires",
    "modified",
    "latencyMs",
    "titleToken",
    ...facetNames.map(facetAttribute),
  ],
  sortableAttributes: ["sequence", "modified", "titleToken"],
  // Meilisearch's own rules; the last one makes the order of equals the same as in browsing.
  rankingRules: ["words", "typo", "proximity", "attribute", "sort", "exactness", "sequence:desc"],
  // Versions, ports and years are not mistyped for one another.
  typoTolerance: { enabled: true, disableOnNumbers: true },
  faceting: { maxValuesPerFacet: facetValuesMax, sortFacetValuesBy: { "*": "count" } },
  pagination: { maxTotalHits: rankedHitsMax },
  // The catalogue comes from the database: an index for searching facets would be of no use.
  facetSearch: false,
  prefixSearch: "indexingTime",
};

/** The attribute whose values are counted for a facet. */
export function facetAttribute(facet: string): string {
  return `facets.${facet}`;
}

/** Whether a server's answer to `GET /indexes/{uid}/settings` says what we have set. It names further settings. */
export function hasOurSettings(settings: Settings): boolean {
  return Object.entries(indexSettings).every(([name, ours]) => {
    const theirs = settings[name as keyof Settings];
    return holds(unordered.has(name) ? sorted(theirs) : theirs, unordered.has(name) ? sorted(ours) : ours);
  });
}

/** Lists that the server keeps as sets, and answers in an order of its own. */
const unordered: ReadonlySet<string> = new Set(["filterableAttributes", "sortableAttributes", "displayedAttributes"]);

function sorted(value: unknown): unknown {
  return Array.isArray(value) ? value.toSorted() : value;
}

/** Whether `theirs` has all that `ours` has. */
function holds(theirs: unknown, ours: unknown): boolean {
  if (typeof ours !== "object" || ours === null || Array.isArray(ours)) return isDeepStrictEqual(theirs, ours);
  if (typeof theirs !== "object" || theirs === null) return false;
  return Object.entries(ours).every(([name, value]) => holds((theirs as Record<string, unknown>)[name], value));
}
