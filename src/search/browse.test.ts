import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, emptyTables } from "../../test/support/database.ts";
import { seededRandom } from "../../test/support/random.ts";
import {
  indexDocuments,
  searchAction,
  searchDocument,
  searchFilters,
  searchFor,
  searchKey,
} from "../../test/support/search.ts";
import { Problem } from "../base/problem.ts";
import type { Database } from "../db/client.ts";
import { fingerprintOf } from "./cursor.ts";
import { browseOrders, type SearchDocument, type SearchEngine, type SearchQuery } from "./port.ts";
import { createPostgresSearch } from "./postgres.ts";

const now = new Date("2026-11-21T12:00:00Z");
const minutesAgo = (minutes: number) => new Date(now.getTime() - minutes * 60_000);
let db: Database;
let engine: SearchEngine;

beforeAll(async () => {
  db = await createTestDatabase();
  engine = createPostgresSearch({ db: db.orm });
});
afterAll(() => db.close());

const add = (...documents: SearchDocument[]) => indexDocuments(engine, db, documents);

const sequenceOf = new Map<string, number>();
function numbered(sequence: number, facts: Parameters<typeof searchDocument>[1] = {}): SearchDocument {
  sequenceOf.set(searchKey(sequence), sequence);
  return searchDocument(sequence, facts);
}

/** Sequence numbers of all pages, in their order; `between` runs after each page. */
async function readAll(query: SearchQuery, between = async (): Promise<void> => {}): Promise<number[]> {
  const found: number[] = [];
  for (let cursor: string | null = null; ;) {
    const page = await engine.search({ ...query, cursor }, now);
    found.push(...page.hits.map(({ key }) => sequenceOf.get(key) ?? 0));
    if (page.next === null) return found;
    cursor = page.next;
    await between();
  }
}

describe("orders", () => {
  const titles = ["pear", "Apple", "Äpfel", "apple pie", "", "Zebra", "apple"];
  beforeEach(async () => {
    await emptyTables(db);
    // Two entries of each title, and several that changed at the same instant.
    await add(
      ...Array.from({ length: 14 }, (_, index) =>
        numbered(index + 1, { title: titles[index % 7] ?? "", modified: minutesAgo((index * 5) % 7) }),
      ),
    );
  });

  test("are by registration, by change and by title, page by page without a gap", async () => {
    const sequences = Array.from({ length: 14 }, (_, index) => index + 1);
    const keys: Record<string, (sequence: number) => number | string> = {
      newest: () => 0,
      modified: (sequence) => ((sequence - 1) * 5) % 7,
      title: (sequence) => ["pear", "apple", "apfel", "apple pie", "", "zebra", "apple"][(sequence - 1) % 7] ?? "",
    };
    for (const order of browseOrders) {
      const key = keys[order] as (sequence: number) => number | string;
      const expected = sequences.toSorted((a, b) => {
        const [one, other] = [key(a), key(b)];
        return one < other ? -1 : one > other ? 1 : order === "title" ? a - b : b - a;
      });
      for (const limit of [1, 3, 14, 100]) {
        expect(await readAll(searchFor("", { order, limit })), `${order}, ${limit} a page`).toEqual(expected);
      }
    }
  });

  test("show an entry that changes between two pages again by change only", async () => {
    const query = { limit: 4 };
    let changes = 0;
    const change = async () => {
      changes += 1;
      if (changes > 2) return;
      await add(numbered(14, { title: "zebra", modified: new Date(now.getTime() + changes) }));
    };
    expect((await readAll(searchFor("", { ...query, order: "newest" }), change)).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 14 }, (_, index) => index + 1),
    );
    changes = 0;
    const byChange = await readAll(searchFor("", { ...query, order: "modified" }), change);
    expect(new Set(byChange).size).toBeGreaterThanOrEqual(13);
    expect(byChange.filter((sequence) => sequence !== 14)).toHaveLength(13);
  });

  test("keep cursors to their own query", async () => {
    const first = await engine.search(searchFor("", { order: "modified", limit: 2 }), now);
    const cursor = first.next ?? "";
    const others: Partial<SearchQuery>[] = [
      { order: "newest" },
      { order: "title" },
      { order: "modified", latencyMsMax: 5 },
      { order: "modified", modifiedSince: now },
      { order: "modified", filters: searchFilters({ tag: ["a"] }) },
    ];
    for (const other of others) {
      await expect(engine.search(searchFor("", { ...other, limit: 2, cursor }), now)).rejects.toThrow(Problem);
    }
    // An origin can fall silent between two pages.
    const onward = searchFor("", { order: "modified", limit: 2, cursor, withoutOrigins: ["https://silent.example"] });
    expect((await engine.search(onward, now)).hits).toHaveLength(2);
  });

  test("refuse places that no page ended at", async () => {
    const places = fc.oneof(
      fc.constantFrom<unknown>(null, -1, 0.5, 1e300, "a\0b", "x".repeat(129), "\ud800", "", [], {}, true),
      fc.integer(),
      fc.anything(),
    );
    const sequences = fc.oneof(fc.integer(), fc.anything());
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...browseOrders), places, sequences, async (order, place, sequence) => {
        const said = JSON.stringify([fingerprintOf(searchFor("", { order })), place, sequence]);
        const cursor = Buffer.from(said ?? "").toString("base64url");
        try {
          await engine.search(searchFor("", { order, cursor }), now);
        } catch (error) {
          expect(error).toBeInstanceOf(Problem);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("conditions", () => {
  beforeEach(async () => {
    await emptyTables(db);
    await add(
      numbered(1, { latencyMs: 100, modified: minutesAgo(1), origin: "https://a.example", title: "Tea" }),
      numbered(2, { latencyMs: 200, modified: minutesAgo(60), origin: "https://b.example", title: "Tea" }),
      numbered(3, { latencyMs: null, modified: minutesAgo(30), origin: null, title: "Tea" }),
      numbered(4, { latencyMs: 1, modified: minutesAgo(90), origin: null, title: "Coffee", expires: now }),
    );
  });

  const asked: [string, Partial<SearchQuery>, number[]][] = [
    ["as fast as the bound itself", { latencyMsMax: 100 }, [1]],
    ["no slower", { latencyMsMax: 200 }, [2, 1]],
    ["faster than anything", { latencyMsMax: 0 }, []],
    ["changed since, the instant itself included", { modifiedSince: minutesAgo(30) }, [3, 1]],
    ["changed since then in the future", { modifiedSince: new Date(now.getTime() + 1) }, []],
    [
      "from elsewhere; what is from here counts",
      { withoutOrigins: ["https://a.example", "https://x.example"] },
      [3, 2],
    ],
    ["all of it", { latencyMsMax: 500, modifiedSince: minutesAgo(60), withoutOrigins: ["https://a.example"] }, [2]],
  ];

  test.each(asked)("hold for what is %s", async (_, conditions, expected) => {
    for (const words of ["", "tea"]) {
      const found = await readAll(searchFor(words, { ...conditions, limit: 1 }));
      expect(
        found.toSorted((a, b) => b - a),
        words,
      ).toEqual(expected);
    }
    const page = await engine.search(searchFor("", { ...conditions, facets: ["capability"] }), now);
    expect(page.facets.capability?.approximate).toBe(false);
  });

  test("go together with filters", async () => {
    await add(
      numbered(5, { tags: ["green"], latencyMs: 50, title: "Tea" }),
      numbered(6, { tags: ["green"], title: "Tea" }),
    );
    const query = { filters: searchFilters({ tag: ["green"] }), latencyMsMax: 60 };
    expect(await readAll(searchFor("", query))).toEqual([5]);
    expect(await readAll(searchFor("tea", query))).toEqual([5]);
  });
});

describe("among many entries", () => {
  const size = 4_000;
  const random = seededRandom(5);
  const facts = Array.from({ length: size }, (_, index) => ({
    tags: [
      ...(random() < 0.5 ? ["half"] : []),
      ...(random() < 0.02 ? ["some"] : []),
      // Only what was registered first: a walk from the newest finds none of it for long.
      ...(index < 1_500 ? ["old"] : []),
      index % 2 === 0 ? "even" : "odd",
    ],
    modified: minutesAgo(Math.floor(random() * 10_000)),
    latencyMs: random() < 0.3 ? Math.floor(random() * 1_000) : null,
    title: `Thing ${Math.floor(random() * 500)}`,
    affordances: index === 7 ? [searchAction("brew")] : [],
  }));
  beforeAll(async () => {
    await emptyTables(db);
    await add(...facts.map((fact, index) => numbered(index + 1, fact)));
  }, 60_000);

  const queries: [string, Partial<SearchQuery>, (fact: (typeof facts)[number]) => boolean][] = [
    ["common filter", { filters: searchFilters({ tag: ["half"] }) }, ({ tags }) => tags.includes("half")],
    ["rarer filter", { filters: searchFilters({ tag: ["some"] }) }, ({ tags }) => tags.includes("some")],
    ["filter of the oldest", { filters: searchFilters({ tag: ["old"] }) }, ({ tags }) => tags.includes("old")],
    ["filters that exclude each other", { filters: searchFilters({ tag: ["even", "odd"] }) }, () => false],
    ["value that nothing has", { filters: searchFilters({ tag: ["unheard"] }) }, () => false],
    ["rare value", { filters: searchFilters({ capability: ["brew"] }) }, ({ affordances }) => affordances.length > 0],
    ["latency", { latencyMsMax: 20 }, ({ latencyMs }) => latencyMs !== null && latencyMs <= 20],
    [
      "latency, since and filter",
      { latencyMsMax: 900, modifiedSince: minutesAgo(6_000), filters: searchFilters({ tag: ["half"] }) },
      ({ latencyMs, modified, tags }) =>
        latencyMs !== null && latencyMs <= 900 && modified >= minutesAgo(6_000) && tags.includes("half"),
    ],
  ];

  test.each(queries)("a %s finds all that pass, whichever way is taken", async (_, query, passes) => {
    const expected = facts.flatMap((fact, index) => (passes(fact) ? [index + 1] : []));
    for (const order of browseOrders) {
      const found = await readAll(searchFor("", { ...query, order, limit: 100 }));
      expect(
        found.toSorted((a, b) => a - b),
        order,
      ).toEqual(expected);
      const fewer = await engine.search(searchFor("", { ...query, order, limit: 5 }), now);
      expect(fewer.hits.map(({ key }) => sequenceOf.get(key))).toEqual(found.slice(0, 5));
    }
  });
});
