import { sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { facetCode, facetNumbers } from "./facet-codes.ts";
import type { FacetName } from "./port.ts";

/** A value of an entry that a facet counts: `key` as filters compare it, `label` as its publisher wrote it. */
export interface FacetValue {
  facet: number;
  key: string;
  label: string;
}

/** The values of one entry by their numbers: codes (facet-codes.ts), and ids of `search_labels`. */
export interface IndexedFacets {
  codes: number[];
  labels: number[];
}

/** The values of an index row, whose keys have their facet as a prefix. */
export function facetsIn(facetKeys: string[], facetLabels: string[]): FacetValue[] {
  return facetKeys.map((prefixed, index) => {
    const end = prefixed.indexOf(":");
    const facet = facetNumbers[prefixed.slice(0, end) as FacetName];
    return { facet, key: prefixed.slice(end + 1), label: facetLabels[index] ?? "" };
  });
}

/** Gives values their numbers, new ones where they have none yet. The index must be locked. */
export async function numberFacets(entries: FacetValue[][], tx: Queryable): Promise<IndexedFacets[]> {
  const distinct = new Map(entries.flat().map((value) => [nameOf(value), value]));
  const numbers = await findNumbers(distinct, tx);
  const missing = new Map([...distinct].filter(([name]) => !numbers.has(name)));
  if (missing.size > 0) {
    const values = recordset(missing);
    // `on conflict` would use up an id for each value that is there already.
    await tx.execute(
      sql`insert into search_values (facet, key, entries)
          select distinct f.facet, f.key, 0 from ${values}
          where not exists (select from search_values v where v.facet = f.facet and v.key = f.key)`,
    );
    await tx.execute(
      sql`insert into search_labels (value, label, entries)
          select v.id, f.label, 0 from ${values} join search_values v on v.facet = f.facet and v.key = f.key`,
    );
    for (const [name, found] of await findNumbers(missing, tx)) numbers.set(name, found);
  }
  return entries.map((values) => {
    const found = values.flatMap((value) => numbers.get(nameOf(value)) ?? []);
    return { codes: found.map(({ code }) => code), labels: found.map(({ label }) => label) };
  });
}

async function findNumbers(
  values: ReadonlyMap<string, FacetValue>,
  tx: Queryable,
): Promise<Map<string, { code: number; label: number }>> {
  const names = [...values.keys()];
  const rows = await rowsOf<{ place: number; facet: number; value: number; label: number }>(
    tx,
    sql`select f.place, f.facet, v.id as value, l.id as label from ${recordset(values)}
        join search_values v on v.facet = f.facet and v.key = f.key
        join search_labels l on l.value = v.id and l.label = f.label`,
  );
  return new Map(
    rows.map(({ place, facet, value, label }) => [names[place] as string, { code: facetCode(value, facet), label }]),
  );
}

function recordset(values: ReadonlyMap<string, FacetValue>): ReturnType<typeof sql> {
  const rows = [...values.values()].map((value, place) => ({ place, ...value }));
  return sql`json_to_recordset(${JSON.stringify(rows)}::text::json) as f(place integer, facet smallint, key text, label text)`;
}

function nameOf({ facet, key, label }: FacetValue): string {
  return JSON.stringify([facet, key, label]);
}
