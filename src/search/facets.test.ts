import { sql } from "drizzle-orm";
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
import { type Database, rowsOf } from "../db/client.ts";
import { capabilityKey } from "./analyser.ts";
import { facetNumbers } from "./facet-codes.ts";
import { facetNames, type FacetName, type SearchDocument, type SearchEngine, type SearchQuery } from "./port.ts";
import { createPostgresSearch } from "./postgres.ts";
import { finestStep } from "./samples.ts";

const now = new Date("2026-11-21T12:00:00Z");
let db: Database;
let engine: SearchEngine;

beforeAll(async () => {
  db = await createTestDatabase();
  engine = createPostgresSearch({ db: db.orm });
});
afterAll(() => db.close());

const add = (...documents: SearchDocument[]) => indexDocuments(engine, db, documents);

async function countsOf(facet: FacetName, query: Partial<SearchQuery> = {}, words = "") {
  const page = await engine.search(searchFor(words, { ...query, facets: [facet] }), now);
  const { values, approximate } = page.facets[facet] ?? { values: [], approximate: false };
  return { counts: Object.fromEntries(values.map(({ value, count }) => [value, count])), approximate };
}

describe("facets", () => {
  beforeEach(() => emptyTables(db));

  test("count each facet, and no value of another that looks the same", async () => {
    const same = "same";
    await add(
      searchDocument(1, {
        affordances: [searchAction(same)],
        types: [same],
        protocols: [same],
        mediaTypes: [same],
        inputMediaTypes: [same],
        outputMediaTypes: [same],
        tags: [same],
        vendors: [same],
        languages: [same],
        badges: [same],
      }),
      searchDocument(2, { tags: [same], types: [] }),
    );
    for (const query of [{}, { verified: false }]) {
      const page = await engine.search(searchFor("", { ...query, facets: [...facetNames] }), now);
      for (const facet of facetNames) {
        const count = facet === "tag" ? 2 : 1;
        expect(page.facets[facet], facet).toEqual({ values: [{ value: same, count }], approximate: false });
      }
    }
  });

  test("have media types as they are, and find ranges of them", async () => {
    await add(
      searchDocument(1, { mediaTypes: ["image/png"], inputMediaTypes: ["image/png"] }),
      searchDocument(2, { mediaTypes: ["image/jpeg", "text/plain"], outputMediaTypes: ["image/jpeg"] }),
      searchDocument(3, { mediaTypes: ["application/image"] }),
    );
    const found = async (filters: Partial<SearchQuery["filters"]>) =>
      (await engine.search(searchFor("", { filters: searchFilters(filters) }), now)).hits.map(({ key }) => key);
    expect(await found({ media: ["image/*"] })).toEqual([searchKey(2), searchKey(1)]);
    expect(await found({ media: ["IMAGE/*", "text/*"] })).toEqual([searchKey(2)]);
    expect(await found({ input: ["image/*"] })).toEqual([searchKey(1)]);
    expect(await found({ output: ["image/*"] })).toEqual([searchKey(2)]);
    expect(await found({ output: ["*/*"] })).toEqual([searchKey(2)]);
    expect(await found({ input: ["*"] })).toEqual([]);
    expect((await countsOf("media")).counts).toEqual({
      "image/png": 1,
      "image/jpeg": 1,
      "text/plain": 1,
      "application/image": 1,
    });
  });

  test("are spelled as most entries spell them", async () => {
    const named = (sequence: number, tag: string) => searchDocument(sequence, { tags: [tag] });
    await add(named(1, "Green"), named(2, "GREEN"), named(3, "green"), named(4, "green"));
    expect((await countsOf("tag")).counts).toEqual({ green: 4 });
    await add(named(3, "GREEN"), named(4, "GREEN"));
    expect((await countsOf("tag", { verified: false })).counts).toEqual({ GREEN: 4 });
  });

  test("leave out what has run out, although it is still in the index", async () => {
    const past = new Date(now.getTime() - 1);
    await add(
      searchDocument(1, { tags: ["a", "b"], expires: past }),
      searchDocument(2, { tags: ["a"] }),
      searchDocument(3, { tags: ["c"], expires: past }),
    );
    expect((await countsOf("tag")).counts).toEqual({ a: 1 });
    expect((await countsOf("tag", { verified: false })).counts).toEqual({ a: 1 });
  });

  test("are counted exactly, in whatever order entries come, change and go", async () => {
    const tags = fc.array(fc.constantFrom("red", "Red", "RED", "green", "blue"), { maxLength: 3 });
    const change = fc.record({ sequence: fc.nat(4), tags: fc.option(tags) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 6 }), async (batches) => {
        await emptyTables(db);
        const current = new Map<number, string[]>();
        for (const batch of batches) {
          const changes = batch.map(({ sequence, tags: tagged }) => ({
            key: searchKey(sequence),
            document: tagged === null ? null : searchDocument(sequence, { tags: tagged }),
          }));
          for (const one of batch) {
            if (one.tags === null) current.delete(one.sequence);
            else current.set(one.sequence, one.tags);
          }
          await engine.apply(changes, db.orm);
          // At least once: a batch may come again.
          await engine.apply(changes, db.orm);
        }
        const expected: Record<string, number> = {};
        for (const tagged of current.values()) {
          for (const tag of new Set(tagged.map((one) => one.toLowerCase()))) expected[tag] = (expected[tag] ?? 0) + 1;
        }
        const lower = ({ counts }: { counts: Record<string, number> }) =>
          Object.fromEntries(Object.entries(counts).map(([tag, count]) => [tag.toLowerCase(), count]));
        expect(lower(await countsOf("tag"))).toEqual(expected);
        expect(lower(await countsOf("tag", { verified: false }))).toEqual(expected);
        const labels = await rowsOf<{ entries: number }>(
          db.orm,
          sql`select sum(l.entries)::integer as entries from search_labels l join search_values v on v.id = l.value
              where v.facet = ${facetNumbers.tag} having sum(l.entries) is not null`,
        );
        const sum = Object.values(expected).reduce((all, count) => all + count, 0);
        expect(labels[0]?.entries ?? 0).toBe(sum);
      }),
      { numRuns: 25 },
    );
  });
});

describe("facets of many matches", () => {
  const size = 13_000;
  const random = seededRandom(9);
  const tagsOf = Array.from({ length: size }, () => ["all", ...(random() < 0.3 ? ["third"] : [])]);
  beforeAll(async () => {
    await emptyTables(db);
    await add(...tagsOf.map((tags, index) => searchDocument(index + 1, { tags, title: "Tea", latencyMs: index })));
  }, 120_000);

  test("are counted in a sample and scaled to all", async () => {
    const { counts, approximate } = await countsOf("tag", {}, "tea");
    expect(approximate).toBe(true);
    expect(counts["all"]).toBe(size);
    const third = tagsOf.filter((tags) => tags.includes("third")).length;
    expect(Math.abs((counts["third"] ?? 0) / third - 1)).toBeLessThan(0.2);
    // Each match that was counted stands for as many.
    for (const count of Object.values(counts)) expect(count % finestStep).toBe(0);
  });

  test("are exact where filters or conditions leave few", async () => {
    expect(await countsOf("tag", { latencyMsMax: 499 }, "tea")).toEqual({
      counts: { all: 500, third: tagsOf.slice(0, 500).filter((tags) => tags.includes("third")).length },
      approximate: false,
    });
    expect((await countsOf("tag", { latencyMsMax: 499 })).approximate).toBe(false);
  });

  test("are exact for all entries, by counters", async () => {
    const third = tagsOf.filter((tags) => tags.includes("third")).length;
    expect(await countsOf("tag")).toEqual({ counts: { all: size, third }, approximate: false });
  });

  test("forget an entry that has gone", async () => {
    const sampled = searchKey(finestStep);
    await engine.apply([{ key: sampled, document: null }], db.orm);
    expect((await countsOf("tag", {}, "tea")).counts["all"]).toBe(size - finestStep);
    expect((await countsOf("tag")).counts["all"]).toBe(size - 1);
  });
});

describe("the catalogue", () => {
  beforeEach(() => emptyTables(db));

  test("ends, whatever names there are and however small its pages", async () => {
    const names = fc.uniqueArray(
      fc.oneof(
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
        fc.constantFrom(
          "getWeather",
          "get_weather",
          "☂",
          "_".repeat(300),
          `${"_".repeat(300)}x`,
          "aB".repeat(200),
          "É".repeat(250),
        ),
      ),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(names, { maxLength: 4 }), async (entries) => {
        await emptyTables(db);
        await add(
          ...entries.map((ofEntry, index) =>
            searchDocument(index + 1, { affordances: ofEntry.map((name) => searchAction(name)) }),
          ),
        );
        const all = await engine.capabilities({ prefix: "", limit: 100, after: null }, now);
        const paged = [];
        for (let after = null; paged.length <= all.length;) {
          const page = await engine.capabilities({ prefix: "", limit: 1, after }, now);
          if (page.length === 0) break;
          paged.push(...page);
          after = page.at(-1) ?? null;
        }
        expect(paged).toEqual(all);
        const keys = all.map(({ capability }) => capabilityKey(capability));
        expect(new Set(keys).size).toBe(keys.length);
      }),
      { numRuns: 25 },
    );
  });
});
