import { sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { type IndexRow, indexRowOf } from "./index-row.ts";
import type { SearchChange, SearchDocument } from "./port.ts";
import { stubsOf } from "./spelling.ts";

/** Any constant: whoever changes the index holds this lock, so that its counters are exact. */
const indexLock = 7_446_217_302;

/** What the index holds of an entry before a change. */
interface OldRow extends Record<string, unknown> {
  key: string;
  terms: string[];
  facet_keys: string[];
  facet_labels: string[];
}

/**
 * Brings the index up to date within the transaction `tx`. Answers how many counters may have become zero. Counters
 * move by the difference between the old and the new rows, so that a change applied twice counts once.
 */
export async function applyChanges(changes: SearchChange[], tx: Queryable): Promise<{ removedTerms: number }> {
  const latest = new Map(changes.map((change) => [change.key, change.document]));
  if (latest.size === 0) return { removedTerms: 0 };
  const rows = [...latest.values()].filter((document): document is SearchDocument => document !== null).map(indexRowOf);
  const removed = [...latest].flatMap(([key, document]) => (document === null ? [key] : []));

  await tx.execute(sql`select pg_advisory_xact_lock(${indexLock}::bigint)`);
  const old = await rowsOf<OldRow>(
    tx,
    sql`select encode(e.key, 'hex') as key, tsvector_to_array(e.lexemes) as terms, d.facet_keys, d.facet_labels
        from search_entries e join search_details d using (key) where e.key in ${keysIn([...latest.keys()])}`,
  );

  const terms = new Counters();
  const capabilities = new Counters();
  terms.add("", rows.length - old.length);
  for (const { terms: oldTerms, facet_keys, facet_labels } of old) {
    for (const term of oldTerms) terms.add(term, -1);
    for (const name of capabilitiesOf(facet_keys, facet_labels)) capabilities.add(name, -1);
  }
  for (const row of rows) {
    for (const term of row.terms) terms.add(term, 1);
    for (const name of capabilitiesOf(row.facetKeys, row.facetLabels)) capabilities.add(name, 1);
  }

  if (removed.length > 0) {
    await tx.execute(sql`delete from search_entries where key in ${keysIn(removed)}`);
    await tx.execute(sql`delete from search_details where key in ${keysIn(removed)}`);
  }
  if (rows.length > 0) await writeRows(rows, tx);
  await tx.execute(
    sql`insert into search_terms (term, entries)
        select c->>0, (c->>1)::integer from json_array_elements(${json(terms.changed())}::json) c
        on conflict (term) do update set entries = search_terms.entries + excluded.entries`,
  );
  await tx.execute(
    sql`insert into search_capabilities (key, name, entries)
        select c->0->>0, c->0->>1, (c->>1)::integer
        from json_array_elements(${json(capabilities.changed().map(([name, by]) => [JSON.parse(name), by]))}::json) c
        on conflict (key, name) do update set entries = search_capabilities.entries + excluded.entries`,
  );
  return { removedTerms: terms.changed().filter(([, by]) => by < 0).length };
}

async function writeRows(rows: IndexRow[], tx: Queryable): Promise<void> {
  const entries = rows.map(({ key, sequence, expires, modified, latencyMs, titleKey, lexemes }) => ({
    key,
    sequence,
    expires,
    modified,
    latency_ms: latencyMs,
    title_key: titleKey,
    lexemes,
  }));
  await tx.execute(
    sql`insert into search_entries (key, sequence, expires, modified, latency_ms, title_key, lexemes)
        select decode(r.key, 'hex'), r.sequence, r.expires, r.modified, r.latency_ms, r.title_key, r.lexemes::tsvector
        from json_to_recordset(${json(entries)}::json)
          as r(key text, sequence bigint, expires timestamptz, modified timestamptz, latency_ms integer,
            title_key text, lexemes text)
        on conflict (key) do update
        set sequence = excluded.sequence, expires = excluded.expires, modified = excluded.modified,
          latency_ms = excluded.latency_ms, title_key = excluded.title_key, lexemes = excluded.lexemes`,
  );
  const details = rows.map((row) => ({
    key: row.key,
    affordances: row.affordances,
    facet_keys: row.facetKeys,
    facet_labels: row.facetLabels,
  }));
  await tx.execute(
    sql`insert into search_details (key, affordances, facet_keys, facet_labels)
        select decode(r.key, 'hex'), r.affordances, r.facet_keys, r.facet_labels
        from json_to_recordset(${json(details)}::json)
          as r(key text, affordances jsonb, facet_keys text[], facet_labels text[])
        on conflict (key) do update
        set affordances = excluded.affordances, facet_keys = excluded.facet_keys, facet_labels = excluded.facet_labels`,
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
    sql`select gin_clean_pending_list('search_entries_lexemes'), gin_clean_pending_list('search_words_stubs')`,
  );
}

/** Forgets terms and names that no entry has any more. */
export async function forgetUnused(db: Queryable): Promise<void> {
  await db.execute(sql`delete from search_terms where entries <= 0 and term <> ''`);
  await db.execute(sql`delete from search_capabilities where entries <= 0`);
}

const capabilityPrefix = "capability:";

/** Key and spelling of each capability among the facets, as JSON: the counters' names. */
function capabilitiesOf(facetKeys: string[], facetLabels: string[]): string[] {
  return facetKeys.flatMap((key, index) =>
    key.startsWith(capabilityPrefix) ? [JSON.stringify([key.slice(capabilityPrefix.length), facetLabels[index]])] : [],
  );
}

class Counters {
  readonly #counts = new Map<string, number>();

  add(name: string, by: number): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  changed(): [string, number][] {
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
