import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, emptyTables } from "../../test/support/database.ts";
import { searchAction, searchDocument, searchFilters, searchFor, searchKey } from "../../test/support/search.ts";
import type { EntryKey } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import type { Database } from "../db/client.ts";
import type { Meaning } from "./embeddings/embeddings.ts";
import type { NearEntry } from "./embeddings/vector-store.ts";
import { createHybridSearch } from "./hybrid.ts";
import type { SearchDocument, SearchEngine, SearchQuery } from "./port.ts";
import { createPostgresSearch } from "./postgres.ts";

const now = new Date("2026-11-21T12:00:00Z");
let db: Database;
let words: SearchEngine;
let engine: SearchEngine;
/** What meaning says of every query: entries by sequence number, nearest first; null where it cannot be told. */
let near: (number | NearEntry)[] | null;

/** Stands in for the vectors, which have tests of their own. */
const meaning: Meaning = {
  async nearest(_query, limit) {
    return (
      near
        ?.slice(0, limit)
        .map((one, index) =>
          typeof one === "number"
            ? { key: searchKey(one), sequence: one, similarity: 1 - index / 1_000, affordance: null }
            : one,
        ) ?? null
    );
  },
};

beforeAll(async () => {
  db = await createTestDatabase();
  words = createPostgresSearch({ db: db.orm });
  engine = createHybridSearch({ words, meaning, db: db.orm });
});
beforeEach(async () => {
  await emptyTables(db);
  near = [];
});
afterAll(() => db.close());

async function add(...documents: SearchDocument[]): Promise<void> {
  await words.apply(
    documents.map((document) => ({ key: document.key, document })),
    db.orm,
  );
  await words.maintain();
}
const remove = (...sequences: number[]) =>
  words.apply(
    sequences.map((sequence) => ({ key: searchKey(sequence), document: null })),
    db.orm,
  );

const sequenceByKey = new Map(Array.from({ length: 1_000 }, (_, sequence) => [searchKey(sequence), sequence]));
const sequencesOf = (hits: { key: EntryKey }[]) => hits.map(({ key }) => sequenceByKey.get(key) ?? -1);
const find = async (query: SearchQuery) => sequencesOf((await engine.search(query, now)).hits);

/** All pages, with what happens `between` two of them. */
async function findAll(query: SearchQuery, between: (page: number) => Promise<unknown> = async () => {}) {
  const found: number[] = [];
  const scores: number[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < 100; page += 1) {
    const { hits, next } = await engine.search({ ...query, cursor }, now);
    found.push(...sequencesOf(hits));
    scores.push(...hits.map(({ score }) => score));
    if (next === null) break;
    cursor = next;
    await between(page);
  }
  return { found, scores };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("words and meaning", () => {
  test("are fused by rank: what both find comes first, and each list's own finds are there", async () => {
    await add(
      searchDocument(1, { title: "Coffee" }),
      searchDocument(2, { title: "Coffee machine", descriptions: [{ language: null, text: "for the office" }] }),
      searchDocument(3, { title: "Espresso maker" }),
    );
    near = [3, 2];
    expect((await find(searchFor("coffee"))).toSorted()).toEqual([1, 2, 3]);
    expect((await find(searchFor("coffee")))[0]).toBe(2);
  });

  test("score 1 where both put an entry first, and never rise from hit to hit", async () => {
    await add(...range(1, 30).map((sequence) => searchDocument(sequence, { title: "Coffee" })));
    near = [30, 1, 29, 2];
    const { scores } = await findAll(searchFor("coffee", { limit: 7 }));
    expect(scores[0]).toBe(1);
    expect(scores.toSorted((a, b) => b - a)).toEqual(scores);
  });

  test("say which affordance was meant, where words say nothing", async () => {
    await add(searchDocument(1, { title: "Kitchen", affordances: [searchAction("brew")] }));
    near = [{ key: searchKey(1), sequence: 1, similarity: 0.7, affordance: "brew" }];
    const page = await engine.search(searchFor(" espresso please "), now);
    expect(page.hits[0]?.matched).toEqual([{ capability: "espresso please", name: "brew" }]);
  });

  test("explain the ranks of both lists", async () => {
    await add(searchDocument(1, { title: "Coffee" }), searchDocument(2, { title: "Kitchen" }));
    near = [2, 1];
    const [first] = (await engine.search(searchFor("coffee", { explain: true }), now)).hits;
    expect(first?.explanation).toMatchObject({
      engine: "hybrid",
      score: first?.score,
      lists: [
        { rank: 1, score: expect.any(Number) },
        { engine: "embeddings", rank: 2, score: 0.999 },
      ],
    });
    expect((await engine.search(searchFor("coffee"), now)).hits[0]).not.toHaveProperty("explanation");
  });

  test("leave browsing, facets and the catalogue to the words' engine", async () => {
    await add(
      searchDocument(1, { tags: ["a"] }),
      searchDocument(2, { tags: ["b"], affordances: [searchAction("brew")] }),
    );
    near = null;
    const browsed = await engine.search(
      searchFor("", { filters: searchFilters({ tag: ["a"] }), facets: ["tag"] }),
      now,
    );
    expect(sequencesOf(browsed.hits)).toEqual([1]);
    expect(browsed.degraded).toBeUndefined();
    near = [1, 2];
    const counted = await engine.search(searchFor("brew", { facets: ["tag"] }), now);
    expect(counted.facets.tag?.values).toEqual([{ value: "b", count: 1 }]);
    expect(await engine.capabilities({ prefix: "", limit: 10, after: null }, now)).toEqual([
      { capability: "brew", count: 1 },
    ]);
  });
});

describe("pages", () => {
  test("hold every entry of both lists once, at any length of a page", async () => {
    await add(
      ...range(1, 150).map((sequence) => searchDocument(sequence, { title: "Coffee" })),
      ...range(151, 180).map((sequence) => searchDocument(sequence, { title: "Kitchen" })),
    );
    // Found by meaning: some without the word, some that words find first, and some that they find last.
    near = [...range(151, 180), ...range(140, 150), ...range(1, 20)];
    for (const limit of [1, 7, 30, 100]) {
      const { found, scores } = await findAll(searchFor("coffee", { limit }));
      const expected = limit === 1 ? found.length : 180;
      expect(new Set(found).size, `${limit}`).toBe(found.length);
      expect(found.length, `${limit}`).toBe(expected);
      expect(scores.toSorted((a, b) => b - a)).toEqual(scores);
    }
  });

  test("repeat and lose nothing that was there all the time, whatever comes and goes", async () => {
    await add(...range(1, 150).map((sequence) => searchDocument(sequence, { title: "Coffee" })));
    await add(...range(151, 200).map((sequence) => searchDocument(sequence, { title: "Kitchen" })));
    near = range(141, 200);
    let come = 300;
    const { found } = await findAll(searchFor("coffee", { limit: 20 }), async (page) => {
      // Newer entries rank first among equals, and push all others down; meaning says something else each time.
      await add(...range(come, come + 4).map((sequence) => searchDocument(sequence, { title: "Coffee" })));
      near = [...range(come, come + 4), ...range(141, 200).toReversed()];
      come += 5;
      if (page === 1) await remove(1, 150, 175);
    });
    expect(new Set(found).size).toBe(found.length);
    const stayed = range(1, 200).filter((sequence) => ![1, 150, 175].includes(sequence));
    expect(stayed.filter((sequence) => !found.includes(sequence))).toEqual([]);
  });

  test("keep their order when the embedder fails between them", async () => {
    await add(...range(1, 10).map((sequence) => searchDocument(sequence, { title: "Coffee" })));
    await add(...range(11, 20).map((sequence) => searchDocument(sequence, { title: "Kitchen" })));
    near = range(11, 20);
    const undisturbed = (await findAll(searchFor("coffee", { limit: 6 }))).found;
    const disturbed = await findAll(searchFor("coffee", { limit: 6 }), async () => {
      near = null;
    });
    expect(disturbed.found).toEqual(undisturbed);
  });

  test("show nothing that has gone or run out since the first", async () => {
    await add(searchDocument(1, { title: "Coffee" }), searchDocument(2, { title: "Kitchen" }));
    near = [2];
    const first = await engine.search(searchFor("coffee", { limit: 1 }), now);
    expect(sequencesOf(first.hits)).toEqual([1]);
    await remove(2);
    const second = await engine.search(searchFor("coffee", { limit: 1, cursor: first.next }), now);
    expect(sequencesOf(second.hits)).toEqual([]);
    expect(second.next).toBeNull();
  });

  test("belong to their query, and take no cursor that nobody made", async () => {
    await add(...range(1, 5).map((sequence) => searchDocument(sequence, { title: "Coffee tea" })));
    const { next } = await engine.search(searchFor("coffee", { limit: 2 }), now);
    await expect(engine.search(searchFor("tea", { limit: 2, cursor: next }), now)).rejects.toThrow(Problem);
    await expect(engine.search(searchFor("coffee", { cursor: `${next?.slice(0, 20)}.x` }), now)).rejects.toThrow(
      Problem,
    );
    await expect(engine.search(searchFor("coffee", { cursor: "nonsense" }), now)).rejects.toThrow(Problem);
  });
});

describe("without meaning", () => {
  test("words answer alone, in their order, and the page says so", async () => {
    await add(...range(1, 40).map((sequence) => searchDocument(sequence, { title: "Coffee" })));
    near = null;
    const page = await engine.search(searchFor("coffee", { limit: 10 }), now);
    expect(page.degraded).toEqual(["embedder"]);
    const alone = await words.search(searchFor("coffee", { limit: 10 }), now);
    expect(sequencesOf(page.hits)).toEqual(sequencesOf(alone.hits));
    const next = await engine.search(searchFor("coffee", { limit: 10, cursor: page.next }), now);
    expect(next.degraded).toEqual(["embedder"]);
    expect((await findAll(searchFor("coffee", { limit: 10 }))).found).toHaveLength(40);
  });

  test("a failure of the vectors is no failure of the search", async () => {
    await add(searchDocument(1, { title: "Coffee" }));
    const broken = createHybridSearch({
      words,
      db: db.orm,
      meaning: { nearest: () => Promise.reject(new Error("the table is gone")) },
    });
    const page = await broken.search(searchFor("coffee"), now);
    expect(sequencesOf(page.hits)).toEqual([1]);
    expect(page.degraded).toEqual(["embedder"]);
  });

  test("a search by words goes on from a page that was made before there was an embedder", async () => {
    await add(...range(1, 40).map((sequence) => searchDocument(sequence, { title: "Coffee" })));
    const { next, hits } = await words.search(searchFor("coffee", { limit: 10 }), now);
    near = [40, 39];
    const page = await engine.search(searchFor("coffee", { limit: 30, cursor: next }), now);
    expect(new Set([...sequencesOf(hits), ...sequencesOf(page.hits)]).size).toBe(40);
  });
});
