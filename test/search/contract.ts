import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Did, EntryKey } from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import { Problem } from "../../src/base/problem.ts";
import { facetNames, type SearchDocument, type SearchEngine, type SearchQuery } from "../../src/search/port.ts";
import { searchAction, searchDocument, searchFilters, searchFor, searchKey } from "../support/search.ts";

/** An engine with an empty index, and how it is filled. */
export interface EngineUnderTest extends AsyncDisposable {
  engine: SearchEngine;
  /** Brings the index up to date, and resolves when searches see it. */
  apply(changes: Parameters<SearchEngine["apply"]>[0]): Promise<void>;
  /** Empties the index. */
  clear(): Promise<void>;
}

export interface EngineAbilities {
  /** Whether words that no entry has are taken for similar ones. */
  corrects: boolean;
}

const now = new Date("2026-11-21T12:00:00Z");
const did = "did:key:z6MkExample" as Did;

/** What every search engine must do, however it ranks. */
export function describeSearchEngine(
  name: string,
  open: () => Promise<EngineUnderTest>,
  { corrects }: EngineAbilities,
): void {
  describe(`the search engine ${name}`, () => {
    let subject: EngineUnderTest;
    beforeAll(async () => {
      subject = await open();
    });
    beforeEach(() => subject.clear());
    afterAll(() => subject[Symbol.asyncDispose]());

    const add = (...documents: SearchDocument[]) =>
      subject.apply(documents.map((document) => ({ key: document.key, document })));
    const remove = (...sequences: number[]) =>
      subject.apply(sequences.map((sequence) => ({ key: searchKey(sequence), document: null })));
    const search = (query: SearchQuery | string) =>
      subject.engine.search(typeof query === "string" ? searchFor(query) : query, now);
    /** Sequence numbers of the hits, in their order. */
    const find = async (query: SearchQuery | string) => sequencesOf((await search(query)).hits);
    const catalogue = (options: Partial<Parameters<SearchEngine["capabilities"]>[0]> = {}) =>
      subject.engine.capabilities({ prefix: "", limit: 10, after: null, ...options }, now);

    describe("finds an entry", () => {
      test("by the words of its title, description, affordances, tags, vendor, examples and schemas", async () => {
        await add(
          searchDocument(1, { title: "Weather station" }),
          searchDocument(2, { descriptions: [{ language: "en", text: "Tells the humidity." }] }),
          searchDocument(3, { affordances: [searchAction("resetRouter")] }),
          searchDocument(4, {
            affordances: [searchAction("a", { titles: [{ language: "en", text: "Brew coffee" }] })],
          }),
          searchDocument(5, {
            affordances: [searchAction("a", { descriptions: [{ language: null, text: "Paints a fence" }] })],
          }),
          searchDocument(6, { affordances: [searchAction("a", { details: [{ language: null, text: "isbn" }] })] }),
          searchDocument(7, { tags: ["astronomy"], vendors: ["Zeppelin Works"] }),
          searchDocument(8, { examples: [{ language: null, text: "Book me a hotel" }] }),
        );
        const words = ["weather", "humidity", "router", "coffee", "fence", "isbn", "astronomy", "zeppelin", "hotel"];
        const found: number[][] = [];
        for (const word of words) found.push(await find(word));
        expect(found).toEqual([[1], [2], [3], [4], [5], [6], [7], [7], [8]]);
      });

      test.each(["getWeather", "get_weather", "get weather", "getweather", "WEATHER", "gétWeather"])(
        "by the name of an affordance, written %s",
        async (typed) => {
          await add(searchDocument(1, { affordances: [searchAction("getWeather")] }), searchDocument(2));
          expect(await find(typed)).toEqual([1]);
        },
      );

      test("by words of any language, without accents", async () => {
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
        for (const typed of ["osterreich", "Österreich", "天气", "meteo", "météo"]) {
          expect(await find(typed), typed).toEqual([1]);
        }
      });

      test("by any of several words, those with more of them first", async () => {
        await add(
          searchDocument(1, { title: "Weather" }),
          searchDocument(2, { title: "Hotel" }),
          searchDocument(3, { title: "Weather hotel" }),
          searchDocument(4, { title: "Router" }),
        );
        const found = await find("weather hotel xyzzyplugh");
        expect(found[0]).toBe(3);
        expect(found.toSorted()).toEqual([1, 2, 3]);
      });

      test("whatever words say nothing, unless there are no others", async () => {
        await add(searchDocument(1, { title: "The Who" }), searchDocument(2, { title: "Weather" }));
        expect(await find("what is the weather")).toEqual([2]);
        expect(await find("the who")).toEqual([1]);
      });

      test("by the beginning of a word", async () => {
        await add(searchDocument(1, { title: "Translator" }), searchDocument(2, { title: "Weather" }));
        expect(await find("transl")).toEqual([1]);
      });

      test.skipIf(!corrects).each(["wether", "waether", "forcast", "hotle"])(
        "by a mistyped word: %s",
        async (typed) => {
          await add(searchDocument(1, { title: "Weather forecast hotel" }), searchDocument(2, { title: "Router" }));
          expect(await find(typed)).toEqual([1]);
        },
      );

      test("by no word of what is neither letter nor digit, and all by none", async () => {
        await add(searchDocument(1), searchDocument(2));
        expect(await find("?!")).toEqual([]);
        expect(await find("  ")).toEqual([2, 1]);
      });

      test("as it is now", async () => {
        await add(searchDocument(1, { title: "Weather", tags: ["old"] }), searchDocument(2, { title: "Weather" }));
        await add(searchDocument(1, { title: "Hotel", tags: ["new"] }));
        await remove(2);
        expect(await find("weather")).toEqual([]);
        expect(await find("hotel")).toEqual([1]);
        expect(await find(searchFor("", { filters: searchFilters({ tag: ["old"] }) }))).toEqual([]);
        expect(await find("")).toEqual([1]);
      });

      test("once, though changes come twice and several of them at once", async () => {
        const changes = [
          { key: searchKey(1), document: searchDocument(1, { title: "Weather" }) },
          { key: searchKey(2), document: searchDocument(2, { title: "Weather" }) },
          { key: searchKey(1), document: null },
          { key: searchKey(1), document: searchDocument(1, { title: "Hotel" }) },
          { key: searchKey(2), document: null },
        ];
        await subject.apply(changes);
        await subject.apply(changes);
        expect(await find("hotel")).toEqual([1]);
        expect(await find("")).toEqual([1]);
      });
    });

    describe("filters", () => {
      const full = searchDocument(1, {
        title: "Weather",
        types: ["Thing", "lmos:Agent", "https://schema.org/Product"],
        affordances: [
          searchAction("getWeather", {
            titles: [{ language: "en", text: "Current conditions" }],
            types: ["saref:SenseCommand"],
          }),
        ],
        protocols: ["https", "lmosprotocol"],
        mediaTypes: ["application/json"],
        inputMediaTypes: ["image/png"],
        outputMediaTypes: ["application/json"],
        tags: ["Air  Quality", "it's\\odd", 'say "hi" OR 1 = 1'],
        vendors: ["ACME"],
        languages: ["de-at", "en"],
        badges: ["domain"],
        controller: did,
        origin: "https://other.example",
        verified: true,
      });
      const plain = searchDocument(2, { title: "Weather" });
      beforeEach(() => add(full, plain));

      const given: [string, Partial<SearchQuery["filters"]>][] = [
        ["a capability's name", { capability: ["get_weather"] }],
        ["a capability's title", { capability: ["current conditions"] }],
        ["a capability's type", { capability: ["saref:SenseCommand"] }],
        ["a capability's type without prefix", { capability: ["senseCommand"] }],
        ["a type", { type: ["LMOS:agent"] }],
        ["a type without prefix", { type: ["product"] }],
        ["a protocol", { protocol: ["lmosProtocol"] }],
        ["a media type", { media: ["application/JSON"] }],
        ["what is taken", { input: ["image/png"] }],
        ["what is given", { output: ["application/json"] }],
        ["a tag", { tag: ["air quality"] }],
        ["a tag with a quote and a backslash", { tag: ["IT'S\\odd"] }],
        ["a tag that looks like an expression", { tag: ['say "hi" or 1 = 1'] }],
        ["a vendor", { vendor: ["acme"] }],
        ["a language", { lang: ["de-AT"] }],
        ["a language's varieties", { lang: ["de"] }],
        ["a badge", { badge: ["domain"] }],
        ["several at once", { type: ["thing", "lmos:Agent"], lang: ["de", "en"], tag: ["air quality"] }],
      ];
      test.each(given)("hold for %s", async (_, filters) => {
        expect(await find(searchFor("", { filters: searchFilters(filters) }))).toEqual([1]);
        expect(await find(searchFor("weather", { filters: searchFilters(filters) }))).toEqual([1]);
        expect(await find(searchFor("unheard", { filters: searchFilters(filters) }))).toEqual([]);
      });

      test("are conjunctive and exact", async () => {
        const filtered = (filters: Partial<SearchQuery["filters"]>) =>
          find(searchFor("", { filters: searchFilters(filters) }));
        expect(await filtered({ type: ["lmos:Agent"], lang: ["fr"] })).toEqual([]);
        expect(await filtered({ capability: ["get"] })).toEqual([]);
        expect(await filtered({ lang: ["d"] })).toEqual([]);
        expect(await filtered({ tag: [""] })).toEqual([]);
      });

      test("hold for controller, origin and verification", async () => {
        expect(await find(searchFor("", { controller: did }))).toEqual([1]);
        expect(await find(searchFor("", { controller: did.toLowerCase() }))).toEqual([]);
        expect(await find(searchFor("", { origin: "https://other.example" }))).toEqual([1]);
        expect(await find(searchFor("weather", { verified: false }))).toEqual([2]);
        expect(await find(searchFor("", { verified: true }))).toEqual([1]);
      });

      test("leave out origins of which nothing is wanted", async () => {
        const without = (...withoutOrigins: string[]) => find(searchFor("weather", { withoutOrigins }));
        expect(await without("https://other.example")).toEqual([2]);
        expect((await without("https://third.example", "https://fourth.example")).toSorted()).toEqual([1, 2]);
      });

      test("hold for promised latency and for the last change", async () => {
        const at = (time: string) => new Date(`2026-05-01T${time}Z`);
        await add(
          searchDocument(3, { latencyMs: 100, modified: at("10:00:00.000") }),
          searchDocument(4, { latencyMs: 200, modified: at("10:00:00.001") }),
        );
        expect(await find(searchFor("", { latencyMsMax: 200 }))).toEqual([4, 3]);
        expect(await find(searchFor("", { latencyMsMax: 199 }))).toEqual([3]);
        expect(await find(searchFor("", { modifiedSince: at("10:00:00.000") }))).toEqual([4, 3]);
        expect(await find(searchFor("", { modifiedSince: at("10:00:00.001") }))).toEqual([4]);
      });

      test("take no more values than the limit says", async () => {
        const values = Array.from({ length: limits.searchFilterValuesMax }, () => "thing");
        expect(await find(searchFor("", { filters: searchFilters({ type: values }) }))).toEqual([2, 1]);
        const more = searchFor("", { filters: searchFilters({ type: [...values, "thing"] }) });
        await expect(search(more)).rejects.toMatchObject({ type: "invalid-parameter" });
      });

      test("tell long values apart", async () => {
        const long = "x".repeat(1_990);
        await add(searchDocument(3, { tags: [`${long}a`] }), searchDocument(4, { tags: [`${long}b`] }));
        expect(await find(searchFor("", { filters: searchFilters({ tag: [`${long}b`] }) }))).toEqual([4]);
      });
    });

    test("neither finds nor counts what has expired", async () => {
      const soon = { expires: new Date(now.getTime() + 1), affordances: [searchAction("brew")], title: "Coffee" };
      await add(
        searchDocument(1, soon),
        searchDocument(2, { ...soon, expires: now }),
        searchDocument(3, { ...soon, expires: null }),
      );
      expect((await find("coffee")).toSorted()).toEqual([1, 3]);
      expect(await find(searchFor("", { filters: searchFilters({ capability: ["brew"] }) }))).toEqual([3, 1]);
      const { facets } = await search(searchFor("", { facets: ["capability"] }));
      expect(facets.capability).toEqual({ values: [{ value: "brew", count: 2 }], approximate: false });
      expect(await catalogue()).toEqual([{ capability: "brew", count: 2 }]);
    });

    describe("matched", () => {
      test("names the affordances that answer the words, and those that filters ask for", async () => {
        await add(
          searchDocument(1, {
            title: "Weather",
            affordances: [
              searchAction("getForecast", { descriptions: [{ language: "en", text: "The weather of the next days" }] }),
              searchAction("getAlmanac", { types: ["Sense"] }),
              searchAction("reset"),
            ],
          }),
        );
        const words = await search("weather forecast");
        expect(words.hits[0]?.matched).toEqual([{ capability: "weather forecast", name: "getForecast" }]);
        const filters = searchFilters({ capability: ["sense", "GET_FORECAST"] });
        const filtered = await search(searchFor("", { filters }));
        expect(filtered.hits[0]?.matched).toEqual([
          { capability: "sense", name: "getAlmanac" },
          { capability: "GET_FORECAST", name: "getForecast" },
        ]);
      });

      test("is empty where only the title answers", async () => {
        await add(searchDocument(1, { title: "Weather", affordances: [searchAction("reset")] }));
        expect((await search("weather")).hits[0]?.matched).toEqual([]);
      });
    });

    test("explains a hit's score where that is asked for", async () => {
      await add(searchDocument(1, { title: "Weather" }));
      const [hit] = (await search(searchFor("weather", { explain: true }))).hits;
      expect(hit?.explanation).toMatchObject({ engine: subject.engine.name, score: hit?.score });
      expect((await search("weather")).hits[0]).not.toHaveProperty("explanation");
    });

    describe("facets", () => {
      test("count the matches by value, as most publishers write it", async () => {
        const sun = (sequence: number, facts: Partial<SearchDocument>) =>
          searchDocument(sequence, { title: "Sun", ...facts });
        await add(
          sun(1, {
            types: ["Thing", "lmos:Agent"],
            affordances: [searchAction("get_weather")],
            languages: ["de-at"],
          }),
          sun(2, { types: ["Thing", "lmos:Tool"], affordances: [searchAction("getWeather")], languages: ["de"] }),
          sun(3, { types: ["lmos:agent"], affordances: [searchAction("getWeather"), searchAction("get weather")] }),
          searchDocument(4, { title: "Moon", types: ["lmos:Agent"], affordances: [searchAction("getWeather")] }),
        );
        const wanted = { facets: ["capability", "type", "lang", "tag"] as SearchQuery["facets"], limit: 1 };
        for (const query of [searchFor("sun", wanted), searchFor("", { ...wanted, filters: searchFilters({}) })]) {
          if (query.words === "") await remove(4);
          const { facets } = await search(query);
          expect(facets.capability).toEqual({ values: [{ value: "getWeather", count: 3 }], approximate: false });
          expect(sortedValues(facets.type)).toEqual(["Thing 2", "lmos:Agent 2", "lmos:Tool 1"]);
          expect(sortedValues(facets.lang)).toEqual(["de 2", "de-at 1"]);
          expect(facets.tag).toEqual({ values: [], approximate: false });
        }
      });

      test("are the same on every page", async () => {
        await add(...Array.from({ length: 6 }, (_, index) => searchDocument(index, { title: "Sun", tags: ["star"] })));
        for (const words of ["", "sun"]) {
          const first = await search(searchFor(words, { facets: ["tag"], limit: 4 }));
          const second = await search(searchFor(words, { facets: ["tag"], limit: 4, cursor: first.next }));
          expect(second.facets).toEqual({ tag: { values: [{ value: "star", count: 6 }], approximate: false } });
        }
      });

      test("have the twenty most frequent values, and none where nothing matches", async () => {
        await add(searchDocument(1, { tags: Array.from({ length: 30 }, (_, index) => `tag ${index}`) }));
        expect((await search(searchFor("", { facets: ["tag"] }))).facets.tag?.values).toHaveLength(20);
        expect((await search(searchFor("unheard", { facets: ["tag"] }))).facets).toEqual({
          tag: { values: [], approximate: false },
        });
      });
    });

    describe("the catalogue", () => {
      beforeEach(() =>
        add(
          searchDocument(1, { affordances: [searchAction("getWeather"), searchAction("reset")] }),
          searchDocument(2, { affordances: [searchAction("get_weather")] }),
          searchDocument(3, { affordances: [searchAction("getWeather"), searchAction("brew")] }),
        ),
      );

      test("counts the entries of each name once, most frequent first", async () => {
        expect(await catalogue()).toEqual([
          { capability: "getWeather", count: 3 },
          { capability: "brew", count: 1 },
          { capability: "reset", count: 1 },
        ]);
      });

      test("is paged, narrowed and up to date", async () => {
        const [first] = await catalogue({ limit: 1 });
        expect(await catalogue({ after: first ?? null, limit: 1 })).toEqual([{ capability: "brew", count: 1 }]);
        for (const prefix of ["getW", "get w", "GET_", "getwea"]) {
          expect(await catalogue({ prefix }), prefix).toEqual([{ capability: "getWeather", count: 3 }]);
        }
        await remove(3);
        expect(await catalogue({ prefix: "get w" })).toEqual([{ capability: "getWeather", count: 2 }]);
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
        for (let page = 0; page < 100; page += 1) {
          const { hits, next } = await search({ ...query, cursor });
          found.push(...sequencesOf(hits));
          if (next === null) return found;
          expect(hits).toHaveLength(query.limit);
          cursor = next;
          await between(page);
        }
        throw new Error("the pages do not end");
      }

      // Titles come twice, and were last changed in an order of their own.
      const some = Array.from({ length: 40 }, (_, index) =>
        searchDocument(index, {
          title: `Sensor ${String.fromCodePoint(97 + ((index * 7) % 20))}`,
          modified: new Date(Date.UTC(2026, 0, 1) + ((index * 11) % 20) * 1_000),
          descriptions: [{ language: "en", text: `water ${"level ".repeat(index % 5)}` }],
        }),
      );

      test("of words hold every match once", async () => {
        await add(...some);
        const found = await readAll(searchFor("water level sensor", { limit: 7 }));
        expect(found.toSorted((a, b) => a - b)).toEqual(some.map(({ sequence }) => sequence));
      });

      test.each(["newest", "modified", "title"] as const)(
        "in the order %s hold what was there all the time once and in order, whatever comes and goes",
        async (order) => {
          await add(...some);
          const quiet = await readAll(searchFor("", { order, limit: 7 }));
          expect(quiet.toSorted((a, b) => a - b)).toEqual(some.map(({ sequence }) => sequence));
          const sorted = some.toSorted(
            {
              newest: (a: SearchDocument, b: SearchDocument) => b.sequence - a.sequence,
              modified: (a: SearchDocument, b: SearchDocument) => b.modified.getTime() - a.modified.getTime(),
              title: (a: SearchDocument, b: SearchDocument) =>
                titleOf(a) < titleOf(b) ? -1 : titleOf(a) > titleOf(b) ? 1 : 0,
            }[order],
          );
          // Equals may follow in either order, but by what is ordered the lists are the same.
          const byOrder = (sequences: number[]) =>
            sequences.map((sequence) => {
              const document = some[sequence] as SearchDocument;
              return { newest: sequence, modified: document.modified, title: titleOf(document) }[order];
            });
          expect(byOrder(quiet)).toEqual(byOrder(sorted.map(({ sequence }) => sequence)));

          const busy = await readAll(searchFor("", { order, limit: 7 }), async (page) => {
            // Before and after every place in the order, whichever it is.
            await add(
              searchDocument(1_000 + page, { title: "Aaa", modified: new Date(Date.UTC(2027, 0, 1)) }),
              searchDocument(2_000 + page, { title: "Zzz", modified: new Date(Date.UTC(2025, 0, 1)) }),
            );
            if (page > 0) await remove(999 + page, 1_999 + page);
          });
          expect(new Set(busy).size).toBe(busy.length);
          expect(busy.filter((sequence) => sequence < 1_000)).toEqual(quiet);
        },
      );

      test("refuse cursors of other queries, of other orders and of nobody", async () => {
        await add(...some);
        const ranked = (await search(searchFor("water", { limit: 5 }))).next;
        const browsed = (await search(searchFor("", { limit: 5 }))).next;
        const byTitle = (await search(searchFor("", { limit: 5, order: "title" }))).next;
        const refused: [SearchQuery, string | null][] = [
          [searchFor("level"), ranked],
          [searchFor(""), ranked],
          [searchFor("water"), browsed],
          [searchFor(""), byTitle],
          [searchFor("", { order: "title" }), browsed],
          [searchFor("", { filters: searchFilters({ tag: ["a"] }) }), browsed],
          [searchFor("water"), "nonsense"],
          [searchFor(""), ""],
          [searchFor("water"), Buffer.from("[1,2").toString("base64url")],
        ];
        for (const [query, cursor] of refused) {
          await expect(search({ ...query, cursor }), `${query.words} ${cursor}`).rejects.toMatchObject({
            type: "invalid-parameter",
            validationErrors: [{ field: "cursor" }],
          });
        }
      });
    });

    describe("whatever is asked or published", () => {
      const marks = [
        "'",
        '"',
        "\\",
        "&",
        "|",
        "!",
        "<->",
        "_",
        "(",
        ")",
        ":",
        "*",
        "-",
        "[",
        "]",
        "=",
        "\0",
        "\ud800",
        "%",
        " ",
        "a",
      ];
      const text = fc.oneof(
        fc.string({ unit: "binary", maxLength: 80 }),
        fc.string({ unit: fc.constantFrom(...marks, " OR ", "sensor") }),
      );

      async function expectPageOrProblem(query: SearchQuery): Promise<void> {
        try {
          const page = await search(query);
          expect(page.hits.length).toBeLessThanOrEqual(query.limit);
        } catch (error) {
          if (!(error instanceof Problem) || error.type !== "invalid-parameter") throw error;
        }
      }

      test("the answer is a page or invalid-parameter", async () => {
        await add(
          searchDocument(1, { title: "Sensor", tags: ["it's", "\\"] }),
          searchDocument(2, { title: "Weather" }),
        );
        await fc.assert(
          fc.asyncProperty(text, fc.array(text, { maxLength: 3 }), fc.option(text), async (words, values, other) => {
            const query = searchFor(words, { controller: other, facets: [...facetNames] });
            for (const facet of facetNames) query.filters[facet] = values;
            await expectPageOrProblem(query);
            await expectPageOrProblem(searchFor(words, { cursor: other }));
            await expectPageOrProblem(searchFor("", { cursor: other, order: "title" }));
            await expectPageOrProblem(searchFor(words, { origin: other, withoutOrigins: values }));
            await catalogue({ prefix: words, after: other === null ? null : { capability: other, count: 1 } });
          }),
          { numRuns: 100 },
        );
      });

      test("no filter passes more than its value", async () => {
        await add(searchDocument(1, { tags: ["a"] }), searchDocument(2, { tags: ["b"] }));
        for (const value of [`a" OR filters EXISTS OR filters = "b`, `a') OR true`, "a\\", '"', "a OR b", "*"]) {
          const filters = searchFilters({ tag: [value] });
          expect(await find(searchFor("", { filters })), value).toEqual([]);
          expect(await find(searchFor("", { controller: value })), value).toEqual([]);
          expect((await find(searchFor("", { withoutOrigins: [value] }))).toSorted(), value).toEqual([1, 2]);
        }
      });

      test("a query of 2,000 characters is answered", async () => {
        await add(searchDocument(1, { title: "Weather" }));
        expect(await find(`weather ${"wordy ".repeat(332)}`)).toEqual([1]);
        expect(await find("x".repeat(2_000))).toEqual([]);
      });

      test("an entry is indexed, and found by its title and its tags", async () => {
        const published = fc.string({ unit: "binary", maxLength: 60 });
        await fc.assert(
          fc.asyncProperty(fc.array(published, { minLength: 1, maxLength: 4 }), async (texts) => {
            const spoken = texts.map((one) => ({ language: null, text: one }));
            await add(
              searchDocument(1, {
                titles: [...spoken, { language: "en", text: "Findable" }],
                descriptions: spoken,
                types: texts,
                affordances: texts.map((one) => searchAction(one, { titles: spoken, details: spoken, types: texts })),
                tags: texts,
                vendors: texts,
                protocols: texts,
                mediaTypes: texts,
                languages: texts,
                origin: texts[0] ?? null,
              }),
            );
            expect(await find("findable")).toEqual([1]);
            for (const tag of texts) {
              expect(await find(searchFor("", { filters: searchFilters({ tag: [tag] }) }))).toEqual([1]);
            }
            await search(searchFor("", { facets: [...facetNames] }));
          }),
          { numRuns: 50 },
        );
      });
    });
  });
}

const sequenceByKey = new Map(Array.from({ length: 3_000 }, (_, sequence) => [searchKey(sequence), sequence]));

function sequencesOf(hits: { key: EntryKey }[]): number[] {
  return hits.map(({ key }) => sequenceByKey.get(key) ?? -1);
}

function titleOf({ titles }: SearchDocument): string {
  return titles[0]?.text ?? "";
}

/** Values with their counts, most frequent first; those of one count in the order of their code points. */
function sortedValues(facet: { values: { value: string; count: number }[] } | undefined): string[] {
  return (facet?.values ?? [])
    .toSorted((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
    .map(({ value, count }) => `${value} ${count}`);
}
