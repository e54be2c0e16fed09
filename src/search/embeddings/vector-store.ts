import { type SQL, sql } from "drizzle-orm";
import type { EntryKey } from "../../base/ids.ts";
import { type Queryable, rowsOf } from "../../db/client.ts";
import { conditionsOf } from "../conditions.ts";
import { anyOf } from "../lexemes.ts";
import { countsOf, matching } from "../matches.ts";
import type { SearchQuery } from "../port.ts";
import { filterLexemesOf } from "../query.ts";
import { EmbeddingError } from "./embedding-error.ts";
import { hasVersion, requireVectorExtension } from "./vector-extension.ts";

/** The vector of one text of an entry; its length is 1. */
export interface EntryVector {
  key: EntryKey;
  digest: string;
  affordance: string | null;
  vector: readonly number[];
}

/** An entry that is near to a query in meaning. */
export interface NearEntry {
  key: EntryKey;
  sequence: number;
  /** Cosine of the angle between the query and the nearest text of the entry: 1 says the same, 0 has nothing to do with it. */
  similarity: number;
  /** The affordance that this text is about; null where it is about the thing, or about several. */
  affordance: string | null;
}

/** The vectors of one model. */
export interface VectorStore {
  /** The journal's consumer that keeps them. */
  readonly consumer: string;
  /** The texts of each of `keys` that have a vector, by their digests. */
  digestsOf(keys: readonly EntryKey[]): Promise<Map<EntryKey, Set<string>>>;
  /** Adds vectors; those of texts that have one stay. Throws EmbeddingError where their dimension is another than before. */
  add(vectors: readonly EntryVector[]): Promise<void>;
  /** Deletes the vectors of the given entries for all texts but these; for none, all of the entry's. */
  retain(texts: ReadonlyMap<EntryKey, readonly string[]>): Promise<void>;
  /** Deletes what is kept of other models. */
  forgetOthers(): Promise<void>;
  /**
   * The entries that pass the query's filters and are nearest to `vector`, nearest first, at most `limit`; null while
   * there are no vectors at all.
   */
  nearest(query: SearchQuery, vector: readonly number[], limit: number, now: Date): Promise<NearEntry[] | null>;
}

/** Entries up to which all that pass the filters are compared. Comparing one vector takes some microseconds. */
const comparedMax = 2_000;
/** Vectors that are taken from the index for each entry that is wanted: an entry has several. */
const vectorsPerEntry = 4;
/** Vectors that the index looks at, at least: the most that it allows (pgvector, hnsw.ef_search). */
const indexWidth = 400;
/** Numbers of a vector that can be indexed in each type (pgvector, HNSW). */
const indexedDimensionsMax = { vector: 2_000, halfvec: 4_000 };
/** Digits that single precision holds. */
const digits = 8;

/** Any constant: names the lock under which the table of a model is made or dropped. */
const tableLock = 7_446_217_303;

/**
 * Opens the vectors of `model`, which are none at first. Throws VectorExtensionError where the database has no pgvector
 * and cannot get it.
 */
export async function openVectorStore(db: Queryable, model: string): Promise<VectorStore> {
  const version = await requireVectorExtension(db);
  const id = await modelId(db, model);
  const table = tableOf(id);
  let dimension: number | null = null;

  /** Numbers in each vector; null until there is one. Once known it stays. */
  async function dimensionNow(): Promise<number | null> {
    if (dimension !== null) return dimension;
    const [row] = await rowsOf<{ dimension: number | null }>(
      db,
      sql`select dimension from embedding_models where id = ${id}`,
    );
    dimension = row?.dimension ?? null;
    return dimension;
  }

  async function makeTable(wanted: number): Promise<number> {
    return db.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(${tableLock}::bigint)`);
      const [row] = await rowsOf<{ dimension: number | null }>(
        tx,
        sql`select dimension from embedding_models where id = ${id}`,
      );
      if (row === undefined) throw new EmbeddingError("unavailable", `The model "${model}" was replaced by another`);
      if (row.dimension !== null) return row.dimension;
      const type = typeOf(wanted, version);
      await tx.execute(sql`drop table if exists ${table}`);
      await tx.execute(
        sql`create table ${table} (key bytea not null, digest bytea not null, affordance text,
              embedding ${sql.raw(`${type}(${wanted})`)} not null, primary key (key, digest))`,
      );
      if (isIndexed(wanted, version)) {
        // While the table is empty: an index of many vectors takes minutes, and a transaction that stays open so long
        // would hold up all who read the journal.
        await tx.execute(sql`create index on ${table} using hnsw (embedding ${sql.raw(`${type}_cosine_ops`)})`);
      }
      await tx.execute(sql`update embedding_models set dimension = ${wanted} where id = ${id}`);
      return wanted;
    });
  }

  function check(vector: readonly number[], expected: number): void {
    if (vector.length === expected) return;
    throw new EmbeddingError(
      "bad-answer",
      `The model "${model}" answers with ${vector.length} numbers where it had ${expected}: it is another model now. Give it another name, in EMBEDDINGS_MODEL too`,
    );
  }

  return {
    consumer: consumerOf(id),

    async digestsOf(keys) {
      const digests = new Map(keys.map((key) => [key, new Set<string>()]));
      if (keys.length === 0 || (await dimensionNow()) === null) return digests;
      const rows = await rowsOf<{ key: EntryKey; digest: string }>(
        db,
        sql`select encode(key, 'hex') as key, encode(digest, 'hex') as digest from ${table}
            where key in (select decode(k, 'hex') from json_array_elements_text(${json(keys)}::json) k)`,
      );
      for (const { key, digest } of rows) digests.get(key)?.add(digest);
      return digests;
    },

    async add(vectors) {
      const [first] = vectors;
      if (first === undefined) return;
      const expected = (await dimensionNow()) ?? (dimension = await makeTable(first.vector.length));
      for (const { vector } of vectors) check(vector, expected);
      const rows = vectors.map(({ key, digest, affordance, vector }) => ({
        key,
        digest,
        affordance: affordance?.toWellFormed().replaceAll("\0", "\uFFFD") ?? null,
        embedding: literalOf(vector),
      }));
      await db.execute(
        sql`insert into ${table} (key, digest, affordance, embedding)
            select decode(r.key, 'hex'), decode(r.digest, 'hex'), r.affordance, r.embedding::${sql.raw(typeOf(expected, version))}
            from json_to_recordset(${json(rows)}::json) as r(key text, digest text, affordance text, embedding text)
            on conflict (key, digest) do nothing`,
      );
    },

    async retain(texts) {
      if (texts.size === 0 || (await dimensionNow()) === null) return;
      const rows = [...texts].map(([key, digests]) => ({ key, digests }));
      await db.execute(
        sql`delete from ${table} v using json_to_recordset(${json(rows)}::json) as r(key text, digests text[])
            where v.key = decode(r.key, 'hex') and encode(v.digest, 'hex') <> all (r.digests)`,
      );
    },

    async forgetOthers() {
      await db.transaction(async (tx) => {
        await tx.execute(sql`select pg_advisory_xact_lock(${tableLock}::bigint)`);
        const others = await rowsOf<{ id: number }>(
          tx,
          sql`delete from embedding_models where id <> ${id} returning id`,
        );
        for (const other of others) {
          await tx.execute(sql`drop table if exists ${tableOf(other.id)}`);
          await tx.execute(sql`delete from consumers where name = ${consumerOf(other.id)}`);
        }
      });
    },

    async nearest(query, vector, limit, now) {
      const expected = await dimensionNow();
      if (expected === null) return null;
      check(vector, expected);
      const filters = filterLexemesOf(query);
      const counts = await countsOf(db, filters);
      const passing = Math.min(counts.get("") ?? 0, ...filters.map((lexeme) => counts.get(lexeme) ?? 0));
      const passes = filters.length === 0 ? sql`true` : matching(filters.map((lexeme) => anyOf([lexeme])));
      const request: NearestRequest = {
        table,
        target: sql`${literalOf(vector)}::${sql.raw(typeOf(expected, version))}`,
        condition: sql`${passes} and ${conditionsOf(query, now)}`,
        limit,
      };
      if (passing > comparedMax && isIndexed(expected, version)) {
        const near = await nearestByIndex(db, request, hasVersion(version, 0, 8));
        if (near !== null) return near;
      }
      return nearestOfAll(db, request);
    },
  };
}

interface NearestRequest {
  table: SQL;
  target: SQL;
  /** On an entry `e` of `search_entries`. */
  condition: SQL;
  limit: number;
}

/** Compares all vectors of the entries that pass: exact. */
async function nearestOfAll(db: Queryable, { table, target, condition, limit }: NearestRequest): Promise<NearEntry[]> {
  const rows = await rowsOf<NearEntry & Record<string, unknown>>(
    db,
    sql`with passing as materialized (
          select e.key, e.sequence from search_entries e where ${condition}
        ), compared as materialized (
          select p.key, p.sequence, v.affordance, v.embedding <=> ${target} as distance
          from passing p join ${table} v on v.key = p.key
        )
        ${nearestPerEntry(limit)}`,
  );
  return rows.map(nearEntryOf);
}

/**
 * Asks the index, which finds nearly all of the nearest. Where it gives up early because few pass the filters, it goes on
 * by itself from pgvector 0.8 on (iterative scan). Null where it still has found so few that entries may be missing.
 */
async function nearestByIndex(
  db: Queryable,
  { table, target, condition, limit }: NearestRequest,
  isIterative: boolean,
): Promise<NearEntry[] | null> {
  const rows = await db.transaction(async (tx) => {
    await tx.execute(
      sql`select set_config('hnsw.ef_search', ${String(indexWidth)}, true), set_config('enable_sort', 'off', true)
          ${isIterative ? sql`, set_config('hnsw.iterative_scan', 'relaxed_order', true)` : sql``}`,
    );
    return rowsOf<NearEntry & { compared: number } & Record<string, unknown>>(
      tx,
      sql`with compared as materialized (
            select e.key, e.sequence, v.affordance, v.embedding <=> ${target} as distance
            from ${table} v join search_entries e on e.key = v.key
            where ${condition}
            order by v.embedding <=> ${target} limit ${limit * vectorsPerEntry}
          )
          ${nearestPerEntry(limit)}`,
    );
  });
  return (rows[0]?.compared ?? 0) < limit ? null : rows.map(nearEntryOf);
}

/** Of the vectors `compared`, the nearest one of each entry. */
function nearestPerEntry(limit: number): SQL {
  return sql`select encode(key, 'hex') as key, sequence::float8 as sequence, 1 - distance as similarity, affordance,
               (select count(*) from compared)::integer as compared
             from (select distinct on (key) * from compared order by key, distance) best
             order by distance, sequence desc limit ${limit}`;
}

function nearEntryOf({ key, sequence, similarity, affordance }: NearEntry): NearEntry {
  return { key, sequence, similarity, affordance };
}

async function modelId(db: Queryable, model: string): Promise<number> {
  await db.execute(sql`insert into embedding_models (name) values (${model}) on conflict (name) do nothing`);
  const [row] = await rowsOf<{ id: number }>(db, sql`select id from embedding_models where name = ${model}`);
  if (row === undefined) throw new Error("the model's row was not written");
  return row.id;
}

function tableOf(id: number): SQL {
  return sql.raw(`entry_vectors_${id}`);
}

function consumerOf(id: number): string {
  return `embeddings-${id}`;
}

function typeOf(dimension: number, version: string): "vector" | "halfvec" {
  const isHalf = dimension > indexedDimensionsMax.vector && dimension <= indexedDimensionsMax.halfvec;
  return isHalf && hasVersion(version, 0, 7) ? "halfvec" : "vector";
}

function isIndexed(dimension: number, version: string): boolean {
  return hasVersion(version, 0, 5) && dimension <= indexedDimensionsMax[typeOf(dimension, version)];
}

function literalOf(vector: readonly number[]): string {
  return `[${vector.map((value) => Number(value.toPrecision(digits))).join(",")}]`;
}

/** One text parameter, whatever the number of rows. */
function json(value: unknown): SQL {
  return sql`${JSON.stringify(value)}::text`;
}
