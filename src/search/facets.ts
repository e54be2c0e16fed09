import { type SQL, sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { capabilityKey } from "./analyser.ts";
import type { CapabilityCount, FacetCounts, FacetName } from "./port.ts";

/** Matches that are counted; of more, the counts say what is usual among them. */
const countedMax = 10_000;
/** Values of one facet. */
const valuesMax = 20;

/** Counts the values of `facets` over the current entries that fulfil `matches` (null: none). */
export async function countFacets(
  db: Queryable,
  matches: SQL | null,
  facets: FacetName[],
  now: Date,
): Promise<Partial<Record<FacetName, FacetCounts>>> {
  const counts: Partial<Record<FacetName, FacetCounts>> = {};
  for (const facet of facets) counts[facet] = { values: [], approximate: false };
  if (matches === null) return counts;
  const rows = await rowsOf<{ facet: FacetName; label: string; entries: number; matches: number }>(
    db,
    sql`with matches as materialized (
          select e.key from search_entries e
          where ${matches} and (e.expires is null or e.expires > ${now.toISOString()}::timestamptz)
          limit ${countedMax + 1}
        ), spellings as (
          select v.key, v.label, count(*) as entries
          from (select key from matches limit ${countedMax}) m join search_details d using (key)
          cross join lateral unnest(d.facet_keys, d.facet_labels) as v(key, label)
          where split_part(v.key, ':', 1) in (select json_array_elements_text(${JSON.stringify(facets)}::text::json))
          group by v.key, v.label
        ), counted as (
          select split_part(key, ':', 1) as facet, (array_agg(label order by entries desc, label))[1] as label,
            sum(entries)::integer as entries,
            row_number() over (partition by split_part(key, ':', 1) order by sum(entries) desc, key) as place
          from spellings group by key
        )
        select facet, label, entries, (select count(*) from matches)::integer as matches
        from counted where place <= ${valuesMax} order by facet, place`,
  );
  for (const row of rows) {
    const facet = counts[row.facet];
    if (facet === undefined) continue;
    facet.values.push({ value: row.label, count: row.entries });
    facet.approximate = row.matches > countedMax;
  }
  return counts;
}

/** The capabilities of current entries: names of one key are one, spelled as most entries spell it. */
export async function listCapabilities(
  db: Queryable,
  options: { prefix: string; limit: number; after: CapabilityCount | null },
  now: Date,
): Promise<CapabilityCount[]> {
  const { limit, after } = options;
  const prefix = capabilityKey(options.prefix.toWellFormed()).replaceAll(" ", "");
  const starts = prefix === "" ? sql`true` : sql`starts_with(replace(key, ' ', ''), ${prefix}::text)`;
  const isAfter =
    after === null
      ? sql`true`
      : sql`(entries < ${after.count}::bigint or (entries = ${after.count}::bigint and name > ${after.capability.toWellFormed().replaceAll("\0", "")}::text))`;
  return rowsOf<{ capability: string; count: number }>(
    db,
    // Counters cover entries that have expired but are still in the index; there are few of these.
    sql`with expired as (
          select substr(v.key, ${"capability:".length + 1}) as key, count(*) as entries
          from search_entries e join search_details d using (key)
          cross join lateral unnest(d.facet_keys) as v(key)
          where e.expires <= ${now.toISOString()}::timestamptz and starts_with(v.key, 'capability:')
          group by 1
        ), catalogue as (
          select key, (array_agg(name order by entries desc, name))[1] as name,
            sum(entries) - coalesce((select x.entries from expired x where x.key = c.key), 0) as entries
          from search_capabilities c where ${starts} group by key
        )
        select name as capability, entries::integer as count from catalogue
        where entries > 0 and ${isAfter}
        order by entries desc, name limit ${limit}`,
  );
}
