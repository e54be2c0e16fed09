import { expect, test } from "vitest";
import { facetNames } from "../port.ts";
import { searchedFields } from "./documents.ts";
import { facetAttribute, hasOurSettings, indexSettings } from "./settings.ts";

/** An answer to `GET /indexes/{uid}/settings` as documented, with what is set. */
const documented = () => ({
  ...structuredClone(indexSettings),
  // Lists that are sets come back in an order of the server's.
  filterableAttributes: indexSettings.filterableAttributes?.toReversed() ?? [],
  sortableAttributes: indexSettings.sortableAttributes?.toReversed() ?? [],
  typoTolerance: {
    enabled: true,
    minWordSizeForTypos: { oneTypo: 5, twoTypos: 9 },
    disableOnWords: [],
    disableOnAttributes: [],
    disableOnNumbers: true,
  },
  stopWords: [],
  synonyms: {},
  distinctAttribute: null,
  proximityPrecision: "byWord" as const,
  searchCutoffMs: null,
});

test("settings are recognised in what the server answers, with further ones and in whatever order", () => {
  expect(hasOurSettings(documented())).toBe(true);
});

test.each<[string, object]>([
  ["ranking rules in another order", { rankingRules: indexSettings.rankingRules?.toReversed() ?? [] }],
  ["searchable attributes in another order", { searchableAttributes: searchedFields.toReversed() }],
  ["an attribute that is not filterable", { filterableAttributes: indexSettings.filterableAttributes?.slice(1) ?? [] }],
  ["no typo tolerance", { typoTolerance: { enabled: false, disableOnNumbers: true } }],
  ["fewer values of facets", { faceting: { maxValuesPerFacet: 100, sortFacetValuesBy: { "*": "count" } } }],
  ["fewer hits", { pagination: { maxTotalHits: 1_000 } }],
])("settings with %s are not ours", (_, change) => {
  expect(hasOurSettings({ ...documented(), ...change })).toBe(false);
});

test("every facet can be counted, and every order sorted by", () => {
  for (const facet of facetNames) expect(indexSettings.filterableAttributes).toContain(facetAttribute(facet));
  for (const attribute of indexSettings.sortableAttributes ?? []) {
    expect(indexSettings.filterableAttributes, "pages begin after a place").toContain(attribute);
  }
});
