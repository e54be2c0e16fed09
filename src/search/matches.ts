import { type SQL, sql } from "drizzle-orm";
import type { EntryKey } from "../base/ids.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import { capabilityKey } from "./analyser.ts";
import type { IndexedAffordance } from "./index-row.ts";
import { impactPerRank, inflectedFactor, labelWeights } from "./impact.ts";
import { allOf, anyOf } from "./lexemes.ts";
import { matchedOf, type TypedTerm } from "./matched.ts";
import type { SearchHit, SearchPage, SearchQuery } from "./port.ts";

/*
 * What browsing and ranking have in common.
 */

/** A page, and the condition that all matches fulfil; null where nothing can match. */
export interface Found {
  page: SearchPage;
  matches: SQL | null;
}

/** An entry of a page. */
export interface PageRow extends Record<string, unknown> {
  key: string;
  sequence: number;
  score: number;
  affordances: IndexedAffordance[] | null;
}

/** In how many entries each lexeme occurs; `""` counts the entries. */
export async function countsOf(db: Queryable, lexemes: string[]): Promise<Map<string, number>> {
  const wanted = JSON.stringify(["", ...new Set(lexemes)].map((lexeme) => lexeme.toWellFormed()));
  const rows = await rowsOf<{ term: string; entries: number }>(
    db,
    sql`select term, entries from search_terms
        where term = any(array(select json_array_elements_text(${wanted}::text::json)))`,
  );
  return new Map(rows.map(({ term, entries }) => [term, entries]));
}

/**
 * Whether `wanted` of the newest entries that match are found faster by the lexemes' index, which reads all matches,
 * than by walking from the newest entry down. `share` is the share of entries that match.
 */
export function isFoundFasterByIndex(share: number, total: number, wanted: number): boolean {
  return share * total < wanted / Math.max(share, Number.EPSILON);
}

/** The condition that all of `queries` (tsqueries) hold. */
export function matching(queries: string[]): SQL {
  return sql`lexemes @@ ${allOf(queries)}::tsquery`;
}

const rankWeights = sql.raw(`'{${labelWeights.join(",")}}'::float4[]`);

/** How much of an entry `e` a word says, from 0 to 1. */
export function impactInEntry({ typed, forms }: TypedTerm): SQL {
  // `ts_rank` divides by the number of lexemes. Of several words that one can have meant, any is as good as it is.
  const isInflected = forms.length === 2 && forms[0] === typed;
  const factor = impactPerRank * (isInflected ? inflectedFactor : forms.length);
  return sql`least(1, ${factor}::float8 * ts_rank(${rankWeights}, e.lexemes, ${anyOf(forms)}::tsquery))`;
}

export function hitOf(row: PageRow, query: SearchQuery, terms: TypedTerm[]): SearchHit {
  const keys = query.filters.capability.map((value) => ({ value, key: capabilityKey(value) }));
  return {
    key: row.key as EntryKey,
    score: Math.round(row.score * 1_000) / 1_000,
    matched: matchedOf(row.affordances ?? [], terms, keys),
  };
}
