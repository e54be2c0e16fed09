import { sql } from "drizzle-orm";
import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, emptyTables } from "../../test/support/database.ts";
import {
  indexDocuments,
  searchAction,
  searchDocument,
  searchFilters,
  searchFor,
  searchKey,
} from "../../test/support/search.ts";
import type { EntryKey } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { type Database, rowsOf } from "../db/client.ts";
import { impactPerRank, labelWeights, storedImpact, weightedLexeme } from "./impact.ts";
import type { HitExplanation, SearchDocument, SearchEngine, SearchQuery } from "./port.ts";
import { withPlaces } from "./explain.ts";
import { createPostgresSearch } from "./postgres.ts";

const now = new Date("2026-11-21T12:00:00Z");
let db: Database;
let engine: SearchEngine;

beforeAll(async () => {
  db = await createTestDatabase();
  engine = createPostgresSearch({ db: db.orm });
});
beforeEach(() => emptyTables(db));
afterAll(() => db.close());

function filtering(filters: Partial<SearchQuery["filters"]>, words = ""): SearchQuery {
  return searchFor(words, { filters: searchFilters(filters) });
}

const add = (...documents: SearchDocument[]) => indexDocuments(engine, db, documents);

/** Sequence numbers of the hits, in their order. */
async function find(query: SearchQuery | string): Promise<number[]> {
  const page = await engine.search(typeof query === "string" ? searchFor(query) : query, now);
  return sequencesOf(page.hits.map(({ key }) => key));
}

const sequenceByKey = new Map(Array.from({ length: 5_000 }, (_, sequence) => [searchKey(sequence), sequence]));
function sequencesOf(keys: EntryKey[]): number[] {
  return keys.map((key) => sequenceByKey.get(key) ?? -1);
}

// What every engine does is in test/search/contract.ts; here is how this one ranks, and what can go wrong in it.

describe("words", () => {
  test("are found in titles, descriptions, names, tags, vendors, examples and schemas", async () => {
    await add(
      searchDocument(1, { title: "Weather station" }),
      searchDocument(2, { descriptions: [{ language: "en", text: "Tells the humidity." }] }),
      searchDocument(3, { affordances: [searchAction("reset_router")] }),
      searchDocument(4, { affordances: [searchAction("a", { titles: [{ language: "en", text: "Brew coffee" }] })] }),
      searchDocument(5, {
        affordances: [searchAction("a", { descriptions: [{ language: null, text: "Paints a fence" }] })],
      }),
      searchDocument(6, { affordances: [searchAction("a", { details: [{ language: null, text: "isbnNumber" }] })] }),
      searchDocument(7, { tags: ["astronomy"], vendors: ["Zeppelin Works"] }),
      searchDocument(8, { examples: [{ language: null, text: "Book me a hotel" }] }),
    );
    const words = ["weather", "humidity", "router", "brewing", "fence", "isbn", "astronomy", "zeppelin", "hotel"];
    expect(await Promise.all(words.map((word) => find(word)))).toEqual([[1], [2], [3], [4], [5], [6], [7], [7], [8]]);
  });

  test("are found however a name is written, and a name as a whole", async () => {
    await add(
      searchDocument(1, { affordances: [searchAction("getWeather")] }),
      searchDocument(2, { affordances: [searchAction("vision.analyze")] }),
    );
    for (const typed of ["getWeather", "get_weather", "get weather", "getweather", "WEATHER", "gétweather"]) {
      expect(await find(typed), typed).toEqual([1]);
    }
    expect(await find("vision analysis")).toEqual([2]);
  });

  test("have English stems in English texts only", async () => {
    await add(
      searchDocument(1, { descriptions: [{ language: "en", text: "forecasting" }] }),
      searchDocument(2, { descriptions: [{ language: "de", text: "forecasting" }] }),
    );
    expect(await find("forecasts")).toEqual([1]);
    expect((await find("forecasting")).toSorted()).toEqual([1, 2]);
  });

  test("are found in every language of a description, without accents", async () => {
    await add(
      searchDocument(1, {
        titles: [
          { language: "de", text: "Wettervorhersage für Österreich" },
          { language: "zh", text: "获取天气预报" },
          { language: "fr", text: "Prévisions météo" },
        ],
      }),
      searchDocument(2),
    );
    for (const typed of ["osterreich", "Österreich", "天气", "meteo", "météo"]) expect(await find(typed)).toEqual([1]);
  });

  test("rank by rarity, place and exactness", async () => {
    const text = (description: string) => ({ descriptions: [{ language: "en", text: description }] });
    await add(
      searchDocument(1, text("a tool for music and other things")),
      searchDocument(2, { title: "Music tool" }),
      searchDocument(3, text("a tool")),
      searchDocument(4, text("a tool")),
      searchDocument(5, text("translating")),
      searchDocument(6, text("translations")),
    );
    expect(await find("music")).toEqual([2, 1]);
    expect((await find("music tool")).slice(0, 2)).toEqual([2, 1]);
    expect((await find("translating"))[0]).toBe(5);
    expect(await find("tool")).toHaveLength(4);
  });

  test("that say nothing are left out, unless there are no others", async () => {
    await add(searchDocument(1, { title: "The Who" }), searchDocument(2, { title: "Weather" }));
    expect(await find("what is the weather")).toEqual([2]);
    expect(await find("the who")).toEqual([1]);
  });

  test("without letters or digits find nothing; none at all browse", async () => {
    await add(searchDocument(1), searchDocument(2));
    expect(await find("?!")).toEqual([]);
    expect(await find("  ")).toEqual([2, 1]);
  });
});

describe("a word that many entries have", () => {
  test("finds those first of which it says most, however old they are and however many have it in their titles", async () => {
    const most = searchDocument(1, {
      title: "Lamp",
      descriptions: [{ language: "en", text: "A lamp." }],
      affordances: [searchAction("lamp")],
    });
    const much = searchDocument(2, { title: "Lamp", descriptions: [{ language: "en", text: "A lamp." }] });
    const others = Array.from({ length: 2_500 }, (_, index) =>
      searchDocument(10 + index, { title: `${index % 2 === 0 ? "Lamp" : "Door"} of the room with number ${index}` }),
    );
    await add(most, much, ...others);
    const first = await engine.search(searchFor("lamp", { limit: 5 }), now);
    expect(sequencesOf(first.hits.map(({ key }) => key))).toEqual([1, 2, 2508, 2506, 2504]);
    const second = await engine.search(searchFor("lamp", { limit: 3, cursor: first.next }), now);
    expect(sequencesOf(second.hits.map(({ key }) => key))).toEqual([2502, 2500, 2498]);
  });
});

describe("an explanation", () => {
  test("says what each word has added, why, and where the entry has it", async () => {
    const weather = searchDocument(1, {
      title: "Weather station",
      affordances: [searchAction("storeReading", { descriptions: [{ language: "en", text: "Stores a reading." }] })],
    });
    await add(weather, searchDocument(2, { title: "Hotel" }), searchDocument(3, { title: "Weather report" }));
    const { hits } = await engine.search(searchFor("save the weather", { explain: true }), now);
    expect(sequencesOf(hits.map(({ key }) => key))).toEqual([1, 3]);
    const { engine: by, score, words } = withPlaces(hits[0]?.explanation as HitExplanation, weather);
    expect(by).toBe("postgres");
    expect(words.map(({ word }) => word)).toEqual(["save", "weather"]);
    expect(Math.abs(words.reduce((sum, word) => sum + word.score, 0) - score)).toBeLessThan(0.01);
    for (const word of words) expect(Math.abs(word.rarity * word.impact - word.score)).toBeLessThan(0.01);
    const [save, seen] = words;
    expect(save?.forms).toEqual(expect.arrayContaining(["write", "store", "save"]));
    expect(save?.places.map(({ field, affordance }) => [field, affordance])).toEqual([
      ["name", "storeReading"],
      ["affordance", "storeReading"],
    ]);
    expect(seen?.places).toMatchObject([{ field: "title", affordance: null }]);
  });

  test("is not there where nobody asked", async () => {
    await add(searchDocument(1, { title: "Weather" }));
    const { hits } = await engine.search(searchFor("weather"), now);
    expect(hits[0]).not.toHaveProperty("explanation");
  });
});

describe("what is asked for exactly", () => {
  beforeEach(() =>
    add(
      searchDocument(1, { title: "Meal plan" }),
      searchDocument(2, { title: "Meal" }),
      searchDocument(3, { title: "Forecast", descriptions: [{ language: "en", text: "Plans a meal." }] }),
      searchDocument(4, { title: "Foreign words" }),
    ),
  );

  test("words in quotes must all be there", async () => {
    expect(await find("meal plan")).toHaveLength(3);
    expect((await find('"meal plan"')).toSorted()).toEqual([1, 3]);
    expect(await find('meal "forecast"')).toEqual([3]);
    expect(await find('meal "nowhere"')).toEqual([]);
  });

  test("a beginning finds all words that begin so", async () => {
    expect((await find("fore*")).toSorted()).toEqual([3, 4]);
    expect(await find("zzz*")).toEqual([]);
  });

  test("pages go on in the same way", async () => {
    const query = searchFor('"meal" fore*', { limit: 1 });
    const first = await engine.search(query, now);
    const second = await engine.search({ ...query, cursor: first.next }, now);
    const third = await engine.search({ ...query, cursor: second.next }, now);
    const keys = [first, second, third].flatMap(({ hits }) => hits.map(({ key }) => key));
    expect(sequencesOf(keys).toSorted()).toEqual([1, 2, 3]);
    expect(third.next).toBeNull();
  });
});

describe("words that mean what others mean", () => {
  test("find them, after those that have the word itself", async () => {
    await add(
      searchDocument(1, { title: "Photograph album" }),
      searchDocument(2, { title: "Picture album" }),
      searchDocument(3, { title: "Hotel" }),
    );
    expect(await find("picture")).toEqual([2, 1]);
    expect(await find("photo")).toEqual(expect.arrayContaining([1, 2]));
    const { hits } = await engine.search(searchFor("photos of hotels"), now);
    expect(hits).toHaveLength(3);
  });

  test("name the affordance that answers them", async () => {
    await add(searchDocument(1, { affordances: [searchAction("write_file"), searchAction("move")] }));
    const { hits } = await engine.search(searchFor("save"), now);
    expect(hits[0]?.matched).toEqual([{ capability: "save", name: "write_file" }]);
    const inflected = await engine.search(searchFor("moving"), now);
    expect(inflected.hits[0]?.matched).toEqual([{ capability: "moving", name: "move" }]);
  });
});

describe("words that no entry has", () => {
  beforeEach(() =>
    add(
      searchDocument(1, { title: "Weather forecast" }),
      searchDocument(2, { title: "Hotel booking" }),
      searchDocument(3, { title: "Translator" }),
    ),
  );

  test.each([
    ["wether", 1],
    ["waether", 1],
    ["weathr", 1],
    ["forcast", 1],
    ["frecasts", 1],
    ["hotl", 2],
    ["hatel", 2],
    ["bokings", 2],
  ])("are taken for mistyped ones: %s", async (typed, sequence) => {
    expect(await find(typed)).toEqual([sequence]);
  });

  test("are taken for beginnings first", async () => {
    expect(await find("trans")).toEqual([3]);
    expect(await find("fore")).toEqual([1]);
  });

  test("count less than words as typed", async () => {
    await add(searchDocument(4, { title: "Wether" }));
    expect(await find("wether")).toEqual([4]);
    const [exact] = (await engine.search(searchFor("weather"), now)).hits;
    const [guessed] = (await engine.search(searchFor("weathre"), now)).hits;
    expect(guessed?.score).toBeLessThan(exact?.score ?? 0);
  });

  test("are not guessed from words that have gone", async () => {
    await engine.apply([{ key: searchKey(1), document: null }], db.orm);
    expect(await find("wether")).toEqual([]);
  });

  test("spoil nothing for the others", async () => {
    expect(await find("xyzzyplugh hotel")).toEqual([2]);
  });
});

describe("pages", () => {
  /** All pages' sequence numbers; `between` runs after each page. */
  async function readAll(
    query: SearchQuery,
    between: (page: number) => Promise<void> = async () => {},
  ): Promise<number[]> {
    const found: number[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < 1_000; page += 1) {
      const { hits, next } = await engine.search({ ...query, cursor }, now);
      found.push(...sequencesOf(hits.map(({ key }) => key)));
      if (next === null) return found;
      expect(hits).toHaveLength(query.limit);
      cursor = next;
      await between(page);
    }
    throw new Error("the pages do not end");
  }

  const many = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      searchDocument(index, {
        title: `Sensor ${index % 7}`,
        descriptions: [{ language: "en", text: `water ${"level ".repeat(index % 5)}` }],
        tags: index % 2 === 0 ? ["even"] : [],
      }),
    );

  test.each([
    ["words", searchFor("water level sensor", { limit: 7 }), 100],
    ["mistyped words", searchFor("watr", { limit: 7 }), 100],
    ["words and filters", { ...filtering({ tag: ["even"] }, "water"), limit: 7 }, 50],
    ["filters", { ...filtering({ tag: ["even"] }), limit: 7 }, 50],
    ["nothing in particular", searchFor("", { limit: 7 }), 100],
  ])("of %s hold every match once, also while others write", async (_, query, count) => {
    await add(...many(100));
    const quiet = await readAll(query);
    expect(new Set(quiet).size).toBe(count);
    expect(quiet).toHaveLength(count);

    const busy = await readAll(query, async (page) => {
      // New entries change what is rare; old ones go.
      await add(
        ...Array.from({ length: 20 }, (_item, index) =>
          searchDocument(1_000 + page * 20 + index, { title: "Water level", tags: ["even"] }),
        ),
      );
      await engine.apply([{ key: searchKey(1_000 + page * 20), document: null }], db.orm);
    });
    const unchanged = busy.filter((sequence) => sequence < 1_000);
    expect(unchanged).toEqual(quiet);
  });

  test("hold entries with common words only, after better ones", async () => {
    await add(...many(3_000).map((document) => ({ ...document, titles: [{ language: null, text: "Common" }] })));
    await add(searchDocument(3_100, { title: "Common rarity" }));
    const page = await engine.search(searchFor("common rarity", { limit: 50 }), now);
    expect(sequencesOf(page.hits.map(({ key }) => key)).slice(0, 3)).toEqual([3_100, 2_999, 2_998]);
    const found = await readAll(searchFor("common rarity", { limit: 100 }));
    expect(found.length).toBeGreaterThan(200);
    expect(new Set(found).size).toBe(found.length);
  });

  test("survive cursors that were tampered with", async () => {
    await add(...many(30));
    const { next } = await engine.search(searchFor("water level", { limit: 5 }), now);
    const text = Buffer.from(next ?? "", "base64url").toString("utf8");
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.string({ unit: "binary", maxLength: 3 }), async (at, inserted) => {
        const cursor = Buffer.from(text.slice(0, at) + inserted + text.slice(at + 1)).toString("base64url");
        await expectPageOrProblem(searchFor("water level", { limit: 5, cursor }));
      }),
      { numRuns: 200 },
    );
  });
});

async function expectPageOrProblem(query: SearchQuery): Promise<void> {
  try {
    const page = await engine.search(query, now);
    expect(page.hits.length).toBeLessThanOrEqual(query.limit);
  } catch (error) {
    if (!(error instanceof Problem) || error.type !== "invalid-parameter") throw error;
  }
}

describe("bounds", () => {
  test("more words than the limit are passed over", async () => {
    await add(searchDocument(1, { title: "Weather" }));
    const words = Array.from({ length: limits.searchWordsMax }, (_, index) =>
      `w${index}x`.replaceAll(/\d/g, (digit) => "abcdefghij"[Number(digit)] ?? ""),
    );
    expect(await find([...words.slice(1), "weather"].join(" "))).toEqual([1]);
    expect(await find([...words, "weather"].join(" "))).toEqual([]);
  });

  test("documents as large as can be are indexed", async () => {
    const words = (count: number, prefix: string) =>
      Array.from({ length: count }, (_, index) => `${prefix}${index.toString(36)}word`).join(" ");
    await add(
      searchDocument(1, {
        title: "Large",
        descriptions: [
          { language: null, text: words(30_000, "d") },
          { language: "en", text: "x".repeat(100_000) },
        ],
        tags: Array.from({ length: 3_000 }, (_, index) => `${"t".repeat(300)}${index}`),
        affordances: Array.from({ length: 1_000 }, (_, index) => searchAction(`${"n".repeat(3_000)}${index}`)),
      }),
    );
    expect(await find("large")).toEqual([1]);
  });
});

describe("the index", () => {
  test("counts exactly, in whatever order entries come, change and go", async () => {
    const change = fc.record({
      sequence: fc.nat(5),
      words: fc.option(
        fc.array(fc.constantFrom("red", "green", "blue", "running", "runs", "getRed"), { maxLength: 4 }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 5 }), async (batches) => {
        for (const batch of batches) {
          const changes = batch.map(({ sequence, words }) => ({
            key: searchKey(sequence),
            document:
              words === null
                ? null
                : searchDocument(sequence, {
                    title: words.join(" "),
                    affordances: words.map((name) => searchAction(name)),
                  }),
          }));
          await engine.apply(changes, db.orm);
          // At least once: a batch may come again.
          await engine.apply(changes, db.orm);
        }
        const counted = await rowsOf(
          db.orm,
          sql`select term, entries from search_terms where entries <> 0 and term <> '' order by term`,
        );
        const actual = await rowsOf(
          db.orm,
          sql`select word collate "C" as term, ndoc as entries from ts_stat('select lexemes from search_entries') order by 1`,
        );
        expect(counted).toEqual(actual);
        const totals = await rowsOf(
          db.orm,
          sql`select (select count(*)::integer from search_entries) as rows, (select count(*)::integer from search_details) as details,
                coalesce((select entries from search_terms where term = ''), 0) as counted`,
        );
        expect(totals[0]?.counted).toBe(totals[0]?.rows);
        expect(totals[0]?.details).toBe(totals[0]?.rows);
      }),
      { numRuns: 25 },
    );
  });

  test("stores impacts that the database ranks by", async () => {
    for (const impact of [0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1]) {
      const [row] = await rowsOf<{ rank: number }>(
        db.orm,
        sql`select ts_rank(${`{${labelWeights.join(",")}}`}::float4[], ${weightedLexeme("word", impact)}::tsvector, 'word'::tsquery)::float8 as rank`,
      );
      expect((row?.rank ?? 0) * impactPerRank).toBeCloseTo(storedImpact(impact), 4);
    }
  });

  test("forgets words that no entry has any more", async () => {
    const word = (index: number) => `w${index.toString(4).replaceAll(/\d/g, (digit) => "klmn"[Number(digit)] ?? "")}`;
    const text = Array.from({ length: 4_000 }, (_, index) => word(index)).join(" ");
    for (let round = 0; round < 5; round += 1) {
      await add(searchDocument(1, { descriptions: [{ language: "de", text }] }));
      await engine.apply([{ key: searchKey(1), document: null }], db.orm);
    }
    await engine.maintain();
    const rows = await rowsOf(db.orm, sql`select 1 from search_terms where entries <= 0 and term <> '' limit 1`);
    expect(rows).toEqual([]);
  });
});
