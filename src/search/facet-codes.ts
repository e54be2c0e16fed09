import type { FacetName } from "./port.ts";

/**
 * Entries hold the values that facets count as integers: the value's id in `search_values`, and the facet in the lowest
 * bits, so that the values of some facets are picked out without asking which facet a value is of.
 */

/** Stored: a facet keeps its number. */
export const facetNumbers: Record<FacetName, number> = {
  capability: 0,
  type: 1,
  protocol: 2,
  media: 3,
  input: 4,
  output: 5,
  tag: 6,
  vendor: 7,
  lang: 8,
  badge: 9,
};

/** Facets that there is room for. Ids go up to 2^27 then: an integer has 31 bits. */
export const facetsMax = 16;

/** The code of the value `id` of `facet`. */
export function facetCode(id: number, facet: number): number {
  return id * facetsMax + facet;
}

/** The id in a code. */
export function valueIdOf(code: number): number {
  return Math.floor(code / facetsMax);
}
