import { sql } from "drizzle-orm";
import { mapInTurns } from "../base/turns.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import { valueIdOf } from "./facet-codes.ts";
import { facetsIn, type IndexedFacets, numberFacets } from "./facet-values.ts";
import { type IndexRow, indexRowOf } from "./index-row.ts";
import type { SearchChange, SearchDocument } from "./port.ts";
import { finestStep } from "./samples.ts";
import { stubsOf } from "./spelling.ts";

/** Any constant: whoever changes the index holds this lock, so that its counters are exact. */
const indexLock = 7_446_217_302;

/** What the index holds of an entry before a change. */
interface OldRow extends Record<string, unknown> {
  key: string;
  terms: string[];
  facets: number[];
  labels: number[];
}

/**
 * Brings the index up to date within the transaction `tx`. Answers how many counters may have become zero. Counters
 * move by the difference between the old and the new rows, so that a change applied twice counts once.
 */
export async function applyChanges(changes: SearchChange[], tx: Queryable): Promise<{ removedTerms: number }> {
  const latest = new Map(changes.map((change) => [change.key, change.document]));
  if (latest.size === 0) return { removedTerms: 0 };
  const documents = [...latest.values()].filter((document): document is SearchDocument => document !== null);
  const rows = await mapInTurns(documents, indexRowOf);
  const removed = [...latest].flatMap(([key, document]) => (document === null ? [key] : []));

  await tx.execute(sql`select pg_advisory_xact_lock(${indexLock}::bigint)`);
  const old = await rowsOf<OldRow>(
    tx,
    sql`select encode(e.key, 'hex') as key, tsvector_to_array(e.lexemes) as terms, e.facets, d.labels
        from search_entries e join search_details d using (key) where e.key in ${keysIn([...latest.keys()])}`,
  );

  const facets = await numberFacets(
    rows.map(({ facetKeys, facetLabels }) => facetsIn(facetKeys, facetLabels)),
    tx,
  );
  const terms = new Counters<string>();
  const values = new Counters<number>();
  const labels = new Counters<number>();
  terms.add("", rows.length - old.length);
  for (const row of old) {
    for (const term of row.terms) terms.add(term, -1);
    for (const code of row.facets) values.add(valueIdOf(code), -1);
    for (const label of row.labels) labels.add(label, -1);
  }
  for (const row of rows) for (const term of row.terms) terms.add(term, 1);
  for (const row of facets) {
    for (const code of row.codes) values.add(valueIdOf(code), 1);
    for (const label of row.labels) labels.add(label, 1);
  }

  if (removed.length > 0) {
    await tx.execute(sql`delete from search_entries where key in ${keysIn(removed)}`);
    await tx.execute(sql`delete from search_details where key in ${keysIn(removed)}`);
    await tx.execute(sql`delete from search_samples where key in ${keysIn(removed)}`);
  }
  if (rows.length > 0) await writeRows(rows, facets, tx);
  await tx.execute(
    sql`insert into search_terms (term, entries)
        select c->>0, (c->>1)::integer from json_array_elements(${json(terms.changed())}::json) c
        on conflict (term) do update set entries = search_terms.entries + excluded.entries`,
  );
  for (const [table, counters] of [
    ["search_values", values],
    ["search_labels", labels],
  ] as const) {
    await tx.execute(
      sql`update ${sql.identifier(table)} counted set entries = counted.entries + c.change
          from (select (c->>0)::integer as id, (c->>1)::integer as change
                from json_array_elements(${json(counters.changed())}::json) c) c
          where counted.id = c.id`,
    );
  }
  return { removedTerms: terms.changed().filter(([, by]) => by < 0).length };
}

async function writeRows(rows: IndexRow[], facets: IndexedFacets[], tx: Queryable): Promise<void> {
  const entries = rows.map(({ key, sequence, expires, modified, latencyMs, titleKey, lexemes }, index) => ({
    key,
    sequence,
    expires,
    modified,
    latency_ms: latencyMs,
    title_key: titleKey,
    lexemes,
    facets: facets[index]?.codes,
  }));
  await tx.execute(
    sql`insert into search_entries (key, sequence, expires, modified, latency_ms, title_key, lexemes, facets)
        select decode(r.key, 'hex'), r.sequence, r.expires, r.modified, r.latency_ms, r.title_key, r.lexemes::tsvector,
          r.facets
        from json_to_recordset(${json(entries)}::json)
          as r(key text, sequence bigint, expires timestamptz, modified timestamptz, latency_ms integer,
            title_key text, lexemes text, facets integer[])
        on conflict (key) do update
        set sequence = excluded.sequence, expires = excluded.expires, modified = excluded.modified,
          latency_ms = excluded.latency_ms, title_key = excluded.title_key, lexemes = excluded.lexemes,
          facets = excluded.facets`,
  );
  await tx.execute(
    sql`insert into search_samples (key, sequence, expires, modified, latency_ms, facets, lexemes)
        select key, sequence, expires, modified, latency_ms, facets, strip(lexemes) from search_entries
        where sequence % ${finestStep}::bigint = 0 and key in ${keysIn(rows.map(({ key }) => key))}
        on conflict (key) do update
        set sequence = excluded.sequence, expires = excluded.expires, modified = excluded.modified,
          latency_ms = excluded.latency_ms, facets = excluded.facets, lexemes = excluded.lexemes`,
  );
  const details = rows.map(({ key, affordances }, index) => ({ key, affordances, labels: facets[index]?.labels }));
  await tx.execute(
    sql`insert into search_details (key, affordances, labels)
        select decode(r.key, 'hex'), r.affordances, r.labels
        from json_to_recordset(${json(details)}::json) as r(key text, affordances jsonb, labels integer[])
        on conflict (key) do update set affordances = excluded.affordances, labels = excluded.labels`,
  );
  const words = [...new Set(rows.flatMap((row) => row.words))].sort();
  const unknown = await rowsOf<{ word: string }>(
    tx,
    sql`select w.word from json_array_elements_text(${json(words)}::json) w(word)
        where not exists (select from search_words k where k.word = w.word)`,
  );
  if (unknown.length === 0) return;
  const news = unknown.map(({ word }) => ({ word, stubs: stubsOf(word, 1) }));
  await tx.execute(
    sql`insert into search_words (word, stubs)
        select r.word, r.stubs from json_to_recordset(${json(news)}::json) as r(word text, stubs text[])
        on conflict (word) do nothing`,
  );
}

/** Merges what Postgres has put aside of new index items: until then every search reads it from end to end. */
export async function mergePending(db: Queryable): Promise<void> {
  await db.execute(
    sql`select gin_clean_pending_list(i.name) from unnest(array[
          'search_entries_lexemes', 'search_samples_lexemes', 'search_samples_lexemes_169',
          'search_samples_lexemes_2197', 'search_values_words', 'search_words_stubs'
        ]::regclass[]) i(name)`,
  );
}

/** Forgets terms and values that no entry has any more. */
export async function forgetUnused(db: Queryable): Promise<void> {
  await db.execute(sql`delete from search_terms where entries <= 0 and term <> ''`);
  await db.transaction(async (tx) => {
    // Whoever changes the index may have read the number of a value that goes here.
    await tx.execute(sql`select pg_advisory_xact_lock(${indexLock}::bigint)`);
    await tx.execute(sql`delete from search_labels where entries <= 0`);
    await tx.execute(sql`delete from search_values where entries <= 0`);
  });
}

class Counters<Name> {
  readonly #counts = new Map<Name, number>();

  add(name: Name, by: number): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  changed(): [Name, number][] {
    return [...this.#counts].filter(([, by]) => by !== 0);
  }
}

/** One text parameter, whatever the number of rows: both drivers and servers bound the number of parameters. */
function json(value: unknown): ReturnType<typeof sql> {
  return sql`${JSON.stringify(value)}::text`;
}

function keysIn(keys: string[]): ReturnType<typeof sql> {
  return sql`(select decode(k, 'hex') from json_array_elements_text(${json(keys)}::json) k)`;
}
