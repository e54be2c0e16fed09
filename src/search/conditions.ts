import { type SQL, sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { anyOf, filterLexeme } from "./lexemes.ts";
import type { SearchQuery } from "./port.ts";

/** What a query asks of entries beside words and values of filters. */
export type Asked = Pick<SearchQuery, "latencyMsMax" | "modifiedSince" | "withoutOrigins">;

/** What a query without words, filters and conditions matches: every current entry. */
export const everything: SQL = sql`true`;

/** Entries among which all others are looked for by their keys. */
export const narrowMax = 5_000;

/**
 * The condition on an entry `e` of `search_entries` that it has not run out, and that it is as fast, as recent and from
 * elsewhere as `query` asks. None of it is answered by the lexemes' index.
 */
export function conditionsOf({ latencyMsMax, modifiedSince, withoutOrigins }: Asked, now: Date): SQL {
  const conditions = [sql`(e.expires is null or e.expires > ${now.toISOString()}::timestamptz)`];
  if (latencyMsMax !== null) conditions.push(isFast(latencyMsMax));
  if (modifiedSince !== null) conditions.push(isRecent(modifiedSince));
  if (withoutOrigins.length > 0) {
    const origins = anyOf(withoutOrigins.map((origin) => filterLexeme("origin", origin)));
    // Written so that the index of lexemes is not asked for what is to be left out.
    conditions.push(sql`(e.lexemes @@ ${origins}::tsquery) is not true`);
  }
  return sql`(${sql.join(conditions, sql` and `)})`;
}

/** Whether `query` asks anything beyond what every current entry fulfils. */
export function hasConditions({ latencyMsMax, modifiedSince, withoutOrigins }: Asked): boolean {
  return latencyMsMax !== null || modifiedSince !== null || withoutOrigins.length > 0;
}

/**
 * Where few entries are as fast or as recent as `query` asks: how many, and the condition on an entry `e` to be one of them,
 * by their keys. With it, their number bounds the work, however common the words and filters are; the planner cannot know
 * that of a prepared statement. Null where they are many, or nothing of the kind is asked.
 */
export async function narrowingOf(db: Queryable, query: Asked): Promise<{ condition: SQL; entries: number } | null> {
  const { latencyMsMax, modifiedSince } = query;
  const sources = [
    ...(modifiedSince === null ? [] : [sql`where ${isRecent(modifiedSince)} order by e.modified desc`]),
    ...(latencyMsMax === null ? [] : [sql`where ${isFast(latencyMsMax)} order by e.latency_ms`]),
  ];
  for (const source of sources) {
    const [row] = await rowsOf<{ entries: number }>(
      db,
      sql`select count(*)::integer as entries from (select 1 from search_entries e ${source} limit ${narrowMax + 1}) n`,
    );
    const entries = row?.entries ?? 0;
    if (entries > narrowMax) continue;
    return {
      condition: sql`e.key = any(array(select e.key from search_entries e ${source} limit ${narrowMax}))`,
      entries,
    };
  }
  return null;
}

function isFast(latencyMsMax: number): SQL {
  return sql`e.latency_ms <= ${Math.floor(latencyMsMax)}::bigint`;
}

function isRecent(modifiedSince: Date): SQL {
  return sql`e.modified >= ${modifiedSince.toISOString()}::timestamptz`;
}
