import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { emptyTables } from "../../../test/support/database.ts";
import { searchDocument, searchFilters, searchFor, searchKey } from "../../../test/support/search.ts";
import { canHaveVectors, createVectorDatabase, dropVectorTables, vectorTables } from "../../../test/support/vectors.ts";
import { type Database, rowsOf } from "../../db/client.ts";
import type { SearchDocument } from "../port.ts";
import { createPostgresSearch } from "../postgres.ts";
import { openVectorStore, type VectorStore } from "./vector-store.ts";

const now = new Date("2026-11-21T12:00:00Z");
const hasVectors = await canHaveVectors();

describe.skipIf(!hasVectors)("vectors", () => {
  let db: Database;
  let store: VectorStore;

  beforeAll(async () => {
    db = await createVectorDatabase();
  });
  beforeEach(async () => {
    await emptyTables(db);
    store = await openVectorStore(db.orm, "one");
  });
  afterEach(() => dropVectorTables(db));
  afterAll(() => db?.close());

  async function index(...documents: SearchDocument[]): Promise<void> {
    await createPostgresSearch({ db: db.orm }).apply(
      documents.map((document) => ({ key: document.key, document })),
      db.orm,
    );
  }

  const digestOf = (sequence: number, part = 0) => (sequence * 1_000 + part).toString(16).padStart(32, "0");
  const add = (sequence: number, vector: number[], affordance: string | null = null, part = 0, to = store) =>
    to.add([{ key: searchKey(sequence), digest: digestOf(sequence, part), affordance, vector }]);
  const sequences = async (vector: number[], query = searchFor("x"), limit = 10) =>
    (await store.nearest(query, vector, limit, now))?.map(({ sequence }) => sequence) ?? null;

  test("are none at first, which is another answer than no entry", async () => {
    expect(await sequences([1, 0])).toBeNull();
    await index(searchDocument(1));
    await add(1, [1, 0]);
    expect(await sequences([1, 0], searchFor("x", { filters: searchFilters({ tag: ["none"] }) }))).toEqual([]);
  });

  test("lead to entries nearest first, each once, by the nearest of its texts", async () => {
    await index(...[1, 2, 3].map((sequence) => searchDocument(sequence)));
    await add(1, [0, 1]);
    await add(1, [0.8, 0.6], "tool", 1);
    await add(2, [1, 0], "other");
    await add(3, [-1, 0]);
    const near = await store.nearest(searchFor("x"), [1, 0], 10, now);
    expect(near).toEqual([
      { key: searchKey(2), sequence: 2, similarity: expect.closeTo(1), affordance: "other" },
      { key: searchKey(1), sequence: 1, similarity: expect.closeTo(0.8), affordance: "tool" },
      { key: searchKey(3), sequence: 3, similarity: expect.closeTo(-1), affordance: null },
    ]);
    expect(await sequences([1, 0], searchFor("x"), 1)).toEqual([2]);
  });

  test("lead to what passes the filters and is current only", async () => {
    await index(
      searchDocument(1, { tags: ["a"], verified: true, origin: "https://a.example", latencyMs: 10 }),
      searchDocument(2, { tags: ["a"], origin: "https://b.example", modified: now }),
      searchDocument(3, { expires: new Date(now.getTime() - 1) }),
      searchDocument(4, { controller: "did:key:z6Mk" as SearchDocument["controller"] }),
    );
    for (const sequence of [1, 2, 3, 4, 5]) await add(sequence, [1, sequence / 100]);
    const found = async (rest: Parameters<typeof searchFor>[1]) =>
      (await sequences([1, 0], searchFor("x", rest)))?.sort() ?? null;
    expect(await found({})).toEqual([1, 2, 4]);
    expect(await found({ filters: searchFilters({ tag: ["A"] }) })).toEqual([1, 2]);
    expect(await found({ verified: true })).toEqual([1]);
    expect(await found({ controller: "did:key:z6Mk" })).toEqual([4]);
    expect(await found({ origin: "https://b.example" })).toEqual([2]);
    expect(await found({ withoutOrigins: ["https://b.example"] })).toEqual([1, 4]);
    expect(await found({ latencyMsMax: 10 })).toEqual([1]);
    expect(await found({ modifiedSince: now })).toEqual([2]);
  });

  test("are found by the index among many, also where few pass the filters", async () => {
    await index(
      ...Array.from({ length: 2_500 }, (_, at) => searchDocument(at + 1, at % 100 === 0 ? { tags: ["rare"] } : {})),
    );
    // What is late in the sequence is far from what is early.
    const angle = (sequence: number) => [Math.cos(sequence / 2_000), Math.sin(sequence / 2_000)];
    await store.add(
      Array.from({ length: 2_500 }, (_, at) => ({
        key: searchKey(at + 1),
        digest: digestOf(at + 1),
        affordance: null,
        vector: angle(at + 1),
      })),
    );
    expect(await sequences(angle(1_000), searchFor("x"), 3)).toEqual([1_000, 1_001, 999]);
    const rare = await sequences(angle(2_501), searchFor("x", { filters: searchFilters({ tag: ["rare"] }) }), 3);
    expect(rare).toEqual([2_401, 2_301, 2_201]);
    const recent = searchFor("x", { modifiedSince: searchDocument(2_499).modified });
    expect((await sequences(angle(1), recent, 3))?.length).toBeGreaterThan(0);
  });

  test("are known by the digests of their texts, and go with these", async () => {
    await index(searchDocument(1), searchDocument(2));
    for (const part of [1, 2, 3]) await add(1, [1, part], null, part);
    await add(2, [1, 1]);
    await add(2, [0, 1]);
    expect(await store.digestsOf([searchKey(1), searchKey(3)])).toEqual(
      new Map([
        [searchKey(1), new Set([1, 2, 3].map((part) => digestOf(1, part)))],
        [searchKey(3), new Set()],
      ]),
    );
    await store.retain(new Map([[searchKey(1), [digestOf(1, 2)]]]));
    await store.retain(new Map([[searchKey(2), []]]));
    const left = await store.digestsOf([searchKey(1), searchKey(2)]);
    expect([...left.values()].map((digests) => [...digests])).toEqual([[digestOf(1, 2)], []]);
  });

  test("of another dimension are refused, with what mends it", async () => {
    await add(1, [1, 0]);
    await expect(add(2, [1, 0, 0])).rejects.toMatchObject({ kind: "bad-answer" });
    await expect(sequences([1, 0, 0])).rejects.toThrow("EMBEDDINGS_MODEL");
    // Another process, which did not see the first one.
    const other = await openVectorStore(db.orm, "one");
    await expect(add(2, [1, 0, 0], null, 0, other)).rejects.toThrow("3 numbers where it had 2");
  });

  test("of many dimensions are stored and indexed as far as pgvector can", async () => {
    const large = await openVectorStore(db.orm, "large");
    await index(searchDocument(1));
    const vector = Array.from({ length: 3_072 }, (_, at) => (at === 0 ? 1 : 0));
    await add(1, vector, null, 0, large);
    expect(await large.nearest(searchFor("x"), vector, 1, now)).toMatchObject([{ sequence: 1 }]);
    const [column] = await rowsOf<{ type: string }>(
      db.orm,
      sql`select format_type(atttypid, atttypmod) as type from pg_attribute
          where attrelid = ${(await vectorTables(db)).at(-1) ?? ""}::regclass and attname = 'embedding'`,
    );
    const [{ halfvec } = { halfvec: false }] = await rowsOf<{ halfvec: boolean }>(
      db.orm,
      sql`select to_regtype('halfvec') is not null as halfvec`,
    );
    expect(column?.type).toBe(halfvec ? "halfvec(3072)" : "vector(3072)");
  });

  test("of another model stay until they are not needed any more, and are never mixed", async () => {
    await index(searchDocument(1), searchDocument(2));
    await add(1, [1, 0]);
    const other = await openVectorStore(db.orm, "two");
    expect(other.consumer).not.toBe(store.consumer);
    expect(await other.nearest(searchFor("x"), [1, 0], 10, now)).toBeNull();
    await add(2, [1, 0, 0], null, 0, other);
    expect(await sequences([1, 0])).toEqual([1]);
    await db.orm.execute(sql`insert into consumers (name, xid, id) values (${store.consumer}, '1', 1)`);
    await other.forgetOthers();
    expect(await vectorTables(db)).toHaveLength(1);
    expect(await rowsOf(db.orm, sql`select from consumers where name = ${store.consumer}`)).toEqual([]);
    expect(await other.nearest(searchFor("x"), [1, 0, 0], 10, now)).toMatchObject([{ sequence: 2 }]);
    await expect(sequences([1, 0])).rejects.toThrow();
  });
});
