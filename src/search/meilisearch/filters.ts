import { filterLexeme } from "../lexemes.ts";
import type { BrowseOrder, SearchQuery } from "../port.ts";
import { filterLexemesOf } from "../query.ts";
import type { BrowsedPlace } from "../cursor.ts";
import { filterToken, titleToken } from "./documents.ts";

/**
 * What must hold of an entry, as expressions of Meilisearch's filters that must all hold. They are made of names of our
 * own, numbers and `filterToken`s, never of what somebody typed.
 *
 * https://www.meilisearch.com/docs/capabilities/filtering_sorting_faceting/advanced/filter_expression_syntax
 */
export function filterOf(query: SearchQuery, now: Date): string[] {
  const { latencyMsMax, modifiedSince, withoutOrigins } = query;
  const filter = [`expires IS NULL OR expires > ${now.getTime()}`];
  for (const lexeme of filterLexemesOf(query)) filter.push(`filters = "${filterToken(lexeme)}"`);
  if (latencyMsMax !== null) filter.push(`latencyMs <= ${Math.floor(latencyMsMax)}`);
  if (modifiedSince !== null) filter.push(`modified >= ${modifiedSince.getTime()}`);
  if (withoutOrigins.length > 0) {
    const origins = withoutOrigins.map((origin) => `"${filterToken(filterLexeme("origin", origin))}"`);
    filter.push(`filters NOT IN [${origins.join(", ")}]`);
  }
  return filter;
}

/** What each order goes by, and in which direction; equals follow by their sequence number in the same direction. */
const orders = {
  newest: { attribute: null, descending: true },
  modified: { attribute: "modified", descending: true },
  title: { attribute: "titleToken", descending: false },
} as const satisfies Record<BrowseOrder, { attribute: string | null; descending: boolean }>;

/** The `sort` of Meilisearch for an order. */
export function sortOf(order: BrowseOrder): string[] {
  const { attribute, descending } = orders[order];
  const direction = descending ? "desc" : "asc";
  return [...(attribute === null ? [] : [`${attribute}:${direction}`]), `sequence:${direction}`];
}

/** The expression that holds for what comes after `place` in an order. */
export function afterPlace(order: BrowseOrder, { place, sequence }: BrowsedPlace): string {
  const { attribute, descending } = orders[order];
  const beyond = descending ? "<" : ">";
  if (attribute === null) return `sequence ${beyond} ${sequence}`;
  const value = typeof place === "string" ? titleToken(place) : Number(place);
  return `${attribute} ${beyond} ${value} OR (${attribute} = ${value} AND sequence ${beyond} ${sequence})`;
}

/** Where a document stands in an order, as cursors have it in all engines. */
export function placeOf(
  order: BrowseOrder,
  { sequence, modified, titleKey }: { sequence: number; modified: number; titleKey: string },
): BrowsedPlace {
  return { place: { newest: null, modified, title: titleKey }[order], sequence };
}
