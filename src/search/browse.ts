import { type SQL, sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { conditionsOf, everything, hasConditions, narrowingOf, narrowMax } from "./conditions.ts";
import { type BrowsedPlace, decodeBrowsedCursor, encodeBrowsedCursor, fingerprintOf } from "./cursor.ts";
import { anyOf, filterLexeme } from "./lexemes.ts";
import { countsOf, type Found, hitOf, matching, type PageRow } from "./matches.ts";
import type { BrowseOrder, SearchQuery } from "./port.ts";
import { filterLexemesOf } from "./query.ts";
import { estimateMatches } from "./samples.ts";

/** Matches up to which the index is asked for all of them at once. */
const indexedMax = 1_000;
/** Entries that are walked through at least before the index is asked. */
const walkedMin = 1_000;
/** How many times farther than expected it is walked: matches may lie closer together elsewhere in the order. */
const patience = 4;

const verifiedOrNot = [filterLexeme("verified", "true"), filterLexeme("verified", "false")];

interface BrowsedRow extends PageRow {
  place: string | number | null;
}

/** An order as SQL: all its columns go in one direction, so that an index has it. */
interface Order {
  /** What entries are ordered by before their sequence numbers, and its form in a cursor; null for nothing. */
  column: { name: SQL; place: SQL; at: (place: string | number) => SQL } | null;
  isDescending: boolean;
}

const orders: Record<BrowseOrder, Order> = {
  newest: { column: null, isDescending: true },
  modified: {
    column: {
      name: sql`e.modified`,
      place: sql`(extract(epoch from e.modified) * 1000)::float8`,
      at: (place) => sql`${new Date(Number(place)).toISOString()}::timestamptz`,
    },
    isDescending: true,
  },
  title: {
    column: { name: sql`e.title_key`, place: sql`e.title_key`, at: (place) => sql`${String(place)}::text collate "C"` },
    isDescending: false,
  },
};

/**
 * What passes the filters, in the query's order. Pages follow each other by keys: none is shown twice or left out, but for
 * an entry that changes its place in the order between two pages.
 */
export async function browse(db: Queryable, query: SearchQuery, now: Date): Promise<Found> {
  const fingerprint = fingerprintOf(query);
  const after = query.cursor === null ? null : decodeBrowsedCursor(query.cursor, fingerprint, query.order);
  const filters = filterLexemesOf(query);
  const asks = filters.length > 0 || hasConditions(query);
  const counts = asks ? await countsOf(db, filters) : new Map<string, number>();
  if (filters.some((lexeme) => (counts.get(lexeme) ?? 0) <= 0)) {
    return { page: { hits: [], facets: {}, next: null }, matches: null };
  }
  const all = counts.get("") ?? 0;
  const lexemes = filters.length === 0 ? everything : matching(filters.map((lexeme) => anyOf([lexeme])));
  const narrowing = await narrowingOf(db, query);
  const asked = conditionsOf(query, now);
  const conditions = narrowing === null ? asked : sql`(${asked} and ${narrowing.condition})`;
  const request = { query, after, lexemes, conditions };
  const walked = await stepsToWalk();
  let rows = walked === 0 ? [] : await readPage(db, { ...request, walked });
  // Matches are rarer than expected, or lie far behind.
  const isCutShort = walked !== null && walked < all && rows.length <= query.limit;
  const isIndexed = filters.length > 0 || narrowing !== null;
  if (isCutShort) rows = await readPage(db, { ...request, walked: isIndexed ? 0 : null });

  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  const next =
    rows.length > shown.length && last !== undefined
      ? encodeBrowsedCursor({ query: fingerprint, place: last.place, sequence: last.sequence })
      : null;
  // Samples are found by lexemes: each entry has one of these.
  const sampled = filters.length === 0 ? matching([anyOf(verifiedOrNot)]) : lexemes;
  const matches = asks ? sql`(${sampled} and ${conditions})` : everything;
  return { page: { hits: shown.map((row) => hitOf(row, query, [])), facets: {}, next }, matches };

  /** How many entries to walk through in their order until the page should be full (null: as many as it takes). */
  async function stepsToWalk(): Promise<number | null> {
    if (!asks) return null;
    const fewest = Math.min(all, narrowing?.entries ?? all, ...filters.map((lexeme) => counts.get(lexeme) ?? 0));
    if (fewest <= indexedMax) return 0;
    const estimate =
      filters.length === 0
        ? (narrowing?.entries ?? narrowMax)
        : await estimateMatches(db, sql`(${lexemes} and ${conditions})`, all);
    const expected = Math.max(1, Math.min(fewest, estimate));
    const steps = ((query.limit + 1) * all) / expected;
    return steps > expected ? 0 : Math.ceil(Math.max(walkedMin, steps * patience));
  }
}

interface PageRequest {
  query: SearchQuery;
  after: BrowsedPlace | null;
  lexemes: SQL;
  conditions: SQL;
  /** How many entries are walked through in their order (null: all); 0 where indexes find the matches. */
  walked: number | null;
}

/** The rows of a page and one more, if there is one. */
async function readPage(db: Queryable, request: PageRequest): Promise<BrowsedRow[]> {
  const { query, after, lexemes, conditions, walked } = request;
  const { column, isDescending } = orders[query.order];
  const direction = isDescending ? sql`desc` : sql`asc`;
  const order =
    column === null ? sql`e.sequence ${direction}` : sql`${column.name} ${direction}, e.sequence ${direction}`;
  const follows = followingOf(query.order, after);
  // The fences ("offset 0", "is true") keep the planner, which on PGlite has no statistics, to the way that was chosen.
  const source =
    walked === 0
      ? sql`(select * from search_entries e where ${lexemes} and ${conditions} and ${follows} offset 0) e`
      : walked === null
        ? sql`search_entries e where ${conditions} and ${follows}`
        : sql`(select * from search_entries e where ${follows} order by ${order} limit ${walked}) e
              where (${lexemes} and ${conditions}) is true`;
  const hasFilters = lexemes !== everything;
  return rowsOf<BrowsedRow>(
    db,
    sql`select encode(p.key, 'hex') as key, p.sequence, 0 as score, p.place,
          ${hasFilters ? sql`d.affordances` : sql`null`} as affordances
        from (
          select e.key, e.sequence::float8 as sequence, ${column?.place ?? sql`null`} as place
          from ${source}
          order by ${order} limit ${query.limit + 1}
        ) p left join search_details d using (key)
        order by ${column === null ? sql`` : sql`p.place ${direction},`} p.sequence ${direction}`,
  );
}

/** The condition that an entry comes after the last one of the page before. */
function followingOf(order: BrowseOrder, after: BrowsedPlace | null): SQL {
  if (after === null) return sql`true`;
  const { column, isDescending } = orders[order];
  const follows = isDescending ? sql`<` : sql`>`;
  const sequence = sql`${after.sequence}::bigint`;
  return column === null || after.place === null
    ? sql`e.sequence ${follows} ${sequence}`
    : sql`(${column.name}, e.sequence) ${follows} (${column.at(after.place)}, ${sequence})`;
}
