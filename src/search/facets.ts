import { type SQL, sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { capabilityKey } from "./analyser.ts";
import { everything } from "./conditions.ts";
import { facetNumbers, facetsMax } from "./facet-codes.ts";
import { countsOf } from "./matches.ts";
import type { CapabilityCount, FacetCounts, FacetName } from "./port.ts";
import { sampledMin, sampleOf, sampleSteps } from "./samples.ts";

/** Values of one facet. */
const valuesMax = 20;

/** Matches in a sample that are enough to count them only: a share of them is right within 4 % of all, usually. */
const countedMin = 200;
/** Estimates up to which all matches are counted without looking at a finer sample. */
const fewMax = 1_000;
/** Entries that are read to count, whatever was expected. */
const countedMax = 20_000;

/**
 * Counts the values of `facets` over the entries that fulfil `matches`, a condition on `search_entries e` (null: none do).
 * Exact for two thousand matches and some more; of others, those in a sample are counted, and the counts scaled to all.
 */
export async function countFacets(
  db: Queryable,
  matches: SQL | null,
  facets: FacetName[],
  now: Date,
): Promise<Partial<Record<FacetName, FacetCounts>>> {
  const counts: Partial<Record<FacetName, FacetCounts>> = {};
  for (const facet of facets) counts[facet] = { values: [], approximate: false };
  if (matches === null || facets.length === 0) return counts;
  const { values, step, approximate } =
    matches === everything
      ? { values: await mostFrequent(db, facets, { limit: valuesMax, now }), step: 1, approximate: false }
      : await countMatches(db, matches, facets);
  for (const facet of facets) {
    const ofFacet = values.filter((value) => value.facet === facetNumbers[facet]);
    counts[facet] = {
      values: ofFacet.map(({ label, entries }) => ({ value: label, count: entries * step })),
      approximate,
    };
  }
  return counts;
}

interface CountedValue extends Record<string, unknown> {
  facet: number;
  key: string;
  label: string;
  entries: number;
}

interface CountedMatches {
  values: CountedValue[];
  /** How many matches each that was counted stands for. */
  step: number;
  approximate: boolean;
}

/** Counts the matches in the coarsest sample that has enough of them, and all of them where none has. */
async function countMatches(db: Queryable, matches: SQL, facets: FacetName[]): Promise<CountedMatches> {
  const all = (await countsOf(db, [])).get("") ?? 0;
  for (const step of sampleSteps) {
    if (all / step < countedMin) continue;
    const { source, condition } = sampleOf(step);
    const sampled = await countIn(db, source, sql`${matches} and ${condition}`, facets);
    if (sampled.matches >= countedMin) return { values: sampled.values, step, approximate: true };
    if (all / step >= sampledMin && sampled.matches * step <= fewMax) break;
  }
  const { values, matches: counted } = await countIn(db, sql`search_entries e`, matches, facets);
  return { values, step: 1, approximate: counted === countedMax };
}

async function countIn(
  db: Queryable,
  source: SQL,
  condition: SQL,
  facets: FacetName[],
): Promise<{ matches: number; values: CountedValue[] }> {
  const rows = await rowsOf<{ matches: number; values: CountedValue[] }>(
    db,
    sql`with matches as materialized (
          select e.facets from ${source} where ${condition} limit ${countedMax}
        ), counted as (
          select f.code, count(*) as entries from (select unnest(m.facets) as code from matches m) f
          where f.code % ${facetsRaw} in ${numbersOf(facets)} group by f.code
        ), placed as (
          select code, entries, row_number() over (
            partition by code % ${facetsRaw} order by entries desc, code
          ) as place from counted
        ), named as (
          select v.facet, v.key, ${labelOf(sql`v.id`)} as label, p.entries
          from placed p join search_values v on v.id = p.code / ${facetsRaw} where p.place <= ${valuesMax}
        )
        select (select count(*)::integer from matches) as matches,
          coalesce((select json_agg(n order by n.entries desc, n.key) from named n), '[]') as values`,
  );
  return rows[0] ?? { matches: 0, values: [] };
}

const facetsRaw = sql.raw(String(facetsMax));

/**
 * The most frequent values among all current entries, by counters: however many entries there are, some values a facet are
 * read. `narrowing` is a condition on `search_values v`, `after` a place in the order.
 */
async function mostFrequent(
  db: Queryable,
  facets: FacetName[],
  options: { limit: number; now: Date; narrowing?: SQL; after?: { entries: number; key: string } | null },
): Promise<CountedValue[]> {
  const { limit, now, narrowing = sql`true`, after = null } = options;
  const comesAfter = (entries: SQL) =>
    after === null
      ? sql`true`
      : sql`(${entries} <= ${after.entries}::bigint
          and (${entries} < ${after.entries}::bigint or v.key > ${after.key}::text collate "C"))`;
  const remaining = sql`(v.entries - x.entries)`;
  return rowsOf<CountedValue>(
    db,
    // Counters cover entries that have run out but are still in the index. There are few of them: their values are
    // looked at one by one.
    sql`with expired as (
          select f.code / ${facetsRaw} as id, count(*) as entries
          from search_entries e cross join lateral unnest(e.facets) as f(code)
          where e.expires <= ${now.toISOString()}::timestamptz group by 1
        )
        select best.facet, best.key, ${labelOf(sql`best.id`)} as label, best.entries::integer as entries
        from (values ${sql.join(
          facets.map((facet) => sql`(${sql.raw(String(facetNumbers[facet]))})`),
          sql`, `,
        )}) as asked(facet) cross join lateral (
          (
            select v.id, v.facet, v.key, v.entries from search_values v
            where v.facet = asked.facet and v.entries > 0 and ${narrowing} and ${comesAfter(sql`v.entries`)}
              and not exists (select from expired x where x.id = v.id)
            order by v.entries desc, v.key limit ${limit}
          ) union all (
            select v.id, v.facet, v.key, ${remaining} from expired x join search_values v using (id)
            where v.facet = asked.facet and ${remaining} > 0 and ${narrowing} and ${comesAfter(remaining)}
          )
          order by entries desc, key limit ${limit}
        ) best
        order by best.facet, best.entries desc, best.key`,
  );
}

/** How most entries write a value. */
function labelOf(id: SQL): SQL {
  return sql`(select l.label from search_labels l where l.value = ${id} and l.entries > 0
    order by l.entries desc, l.label limit 1)`;
}

function numbersOf(facets: FacetName[]): SQL {
  return sql.raw(`(${facets.map((facet) => facetNumbers[facet]).join(", ")})`);
}

/** The capabilities of current entries: names of one key are one, spelled as most entries spell it. */
export async function listCapabilities(
  db: Queryable,
  options: { prefix: string; limit: number; after: CapabilityCount | null },
  now: Date,
): Promise<CapabilityCount[]> {
  const { limit, after } = options;
  const prefix = nameKey(options.prefix).replaceAll(" ", "");
  const squeezed = sql`replace(v.key, ' ', '')`;
  const values = await mostFrequent(db, ["capability"], {
    limit,
    now,
    narrowing:
      prefix === ""
        ? sql`true`
        : sql`(${squeezed} >= ${prefix}::text collate "C" and ${squeezed} < ${`${prefix}\u{10FFFF}`}::text collate "C")`,
    after: after === null ? null : { entries: after.count, key: nameKey(after.capability) },
  });
  return values.map(({ key, label, entries }) => ({ capability: capabilityName(key, label), count: entries }));
}

/** The name under which a capability is shown; its key, if pages could not go on after the name as it is written. */
export function capabilityName(key: string, label: string): string {
  return nameKey(label) === key ? label : key;
}

/** The key of a capability's name, in the form in which `search_values` has it. */
export function nameKey(name: string): string {
  return capabilityKey(name.toWellFormed().replaceAll("\0", "")).slice(0, keyUnitsMax).toWellFormed().trim();
}

/** UTF-16 units of a value's key. */
const keyUnitsMax = 200;
