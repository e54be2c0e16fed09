import { sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { decodeBrowsedCursor, encodeBrowsedCursor, fingerprintOf } from "./cursor.ts";
import { anyOf } from "./lexemes.ts";
import { countsOf, type Found, hitOf, isCurrent, isFoundFasterByIndex, matching, type PageRow } from "./matches.ts";
import type { SearchQuery } from "./port.ts";
import { filterLexemesOf } from "./query.ts";

/** What passes the filters, newest first. */
export async function browse(db: Queryable, query: SearchQuery, now: Date): Promise<Found> {
  const fingerprint = fingerprintOf(query);
  const after = query.cursor === null ? null : decodeBrowsedCursor(query.cursor, fingerprint);
  const filters = filterLexemesOf(query);
  const counts = await countsOf(db, filters);
  const total = counts.get("") ?? 0;
  const share = filters.reduce((product, lexeme) => (product * (counts.get(lexeme) ?? 0)) / Math.max(1, total), 1);
  const isRare = isFoundFasterByIndex(share, total, query.limit + 1);
  const matches = filters.length === 0 ? sql`true` : matching(filters.map((lexeme) => anyOf([lexeme])));
  // Told by neither server's statistics, the planner would walk the whole table for filters that nothing passes.
  const source =
    filters.length > 0 && isRare
      ? sql`(select * from search_entries where ${matches} offset 0) e`
      : sql`(select * from search_entries where (${matches}) is true) e`;
  const rows = await rowsOf<PageRow>(
    db,
    sql`select encode(p.key, 'hex') as key, p.sequence, 0 as score, ${filters.length === 0 ? sql`null` : sql`d.affordances`} as affordances
        from (
          select e.key, e.sequence::float8 as sequence from ${source}
          where ${isCurrent(now)} and ${after === null ? sql`true` : sql`e.sequence < ${after.sequence}::bigint`}
          order by e.sequence desc limit ${query.limit + 1}
        ) p left join search_details d using (key)
        order by p.sequence desc`,
  );
  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  const next =
    rows.length > shown.length && last !== undefined
      ? encodeBrowsedCursor({ query: fingerprint, sequence: last.sequence })
      : null;
  return { page: { hits: shown.map((row) => hitOf(row, query, [])), facets: {}, next }, matches };
}
