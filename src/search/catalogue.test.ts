import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, emptyTables } from "../../test/support/database.ts";
import { searchAction, searchDocument } from "../../test/support/search.ts";
import type { Database } from "../db/client.ts";
import { type CapabilityCatalogue, createCapabilityCatalogue } from "./catalogue.ts";
import { createPostgresSearch } from "./postgres.ts";

const now = new Date("2026-11-21T12:00:00Z");
let db: Database;
let catalogue: CapabilityCatalogue;

beforeAll(async () => {
  db = await createTestDatabase();
  catalogue = createCapabilityCatalogue({ db: db.orm });
});
afterAll(() => db.close());
beforeEach(async () => {
  await emptyTables(db);
  const entries = [
    ["getWeather", "getForecast"],
    ["get_weather", "getForecast", "brew"],
    ["getWeather", "reportStorms"],
    ["weatherReport"],
    ["getTime"],
    ["getPrice"],
    ["getRoute"],
  ];
  const engine = createPostgresSearch({ db: db.orm });
  await engine.apply(
    entries.map((names, index) => {
      const document = searchDocument(index + 1, { affordances: names.map((name) => searchAction(name)) });
      return { key: document.key, document };
    }),
    db.orm,
  );
  await engine.maintain();
});

describe("what is related to a name", () => {
  test("are its spellings, names that share words, rarer ones first, and names of the same entries", async () => {
    const related = await catalogue.related("GET_WEATHER", now);
    expect(related).toMatchObject({ capability: "getWeather", count: 3, approximate: false });
    expect(related.spellings).toEqual([
      { capability: "getWeather", count: 2 },
      { capability: "get_weather", count: 1 },
    ]);
    expect(related.similar[0]).toEqual({ capability: "weatherReport", count: 1 });
    expect(related.similar.map(({ capability }) => capability)).toEqual(
      expect.arrayContaining(["getForecast", "getTime"]),
    );
    expect(related.similar.map(({ capability }) => capability)).not.toContain("getWeather");
    expect(related.together).toEqual([
      { capability: "getForecast", count: 2 },
      { capability: "brew", count: 1 },
      { capability: "reportStorms", count: 1 },
    ]);
  });

  test("is what shares words with a name that no entry has", async () => {
    const related = await catalogue.related("brewTea", now);
    expect(related).toMatchObject({ capability: "brewTea", count: 0, spellings: [], together: [] });
    expect(related.similar).toEqual([{ capability: "brew", count: 1 }]);
  });

  test("is nothing for what has no words", async () => {
    for (const name of ["", "☂", "\0", "'\"\\:*&|!"]) {
      expect(await catalogue.related(name, now), name).toMatchObject({ count: 0, similar: [], together: [] });
    }
  });
});

test("nearest to a mistyped name are names with the words that it can have meant", async () => {
  const nearest = async (text: string) => (await catalogue.nearest(text, 3)).map(({ capability }) => capability);
  expect((await nearest("getWether"))[0]).toBe("getWeather");
  expect((await nearest("wether_report"))[0]).toBe("weatherReport");
  expect(await nearest("forcast")).toEqual(["getForecast"]);
  expect(await nearest("xylophone")).toEqual([]);
  expect(await nearest("")).toEqual([]);
});
