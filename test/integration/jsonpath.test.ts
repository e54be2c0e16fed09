import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import type { EntryKey } from "../../src/base/ids.ts";
import type { JsonObject, JsonValue } from "../../src/base/json.ts";
import { limits } from "../../src/base/limits.ts";
import { Problem } from "../../src/base/problem.ts";
import { openDatabase } from "../../src/db/client.ts";
import { rewindConsumer } from "../../src/db/journal.ts";
import { searchPaths } from "../../src/db/schema/index.ts";
import { createJsonPathSearch } from "../../src/http/jsonpath/jsonpath-search.ts";
import { applyPathChanges, findCandidates, pathIndexer } from "../../src/search/jsonpath/path-index.ts";
import { planQuery } from "../../src/search/jsonpath/plan.ts";
import { createEntryReader } from "../../src/things/entry-store.ts";
import { createDatabasePlace, createTestDatabase } from "../support/database.ts";
import { signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import { members, queries } from "../support/jsonpath-queries.ts";
import { adminToken, startTestService, type TestService, thingPath } from "../support/service.ts";

const collection = new URL("../../../shared/data/tds/", import.meta.url);
const now = { at: new Date() };
const clock = { now: () => now.at };

const ask = (registry: TestService, query: string, init?: RequestInit) =>
  registry.request(`/search/jsonpath?query=${encodeURIComponent(query)}`, init);
const find = async (registry: TestService, query: string) => {
  const response = await ask(registry, query);
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as JsonValue[];
};
const put = async (registry: TestService, json: JsonObject) => {
  const response = await registry.request(thingPath(String(json["id"])), {
    method: "PUT",
    headers: { "content-type": "application/td+json" },
    body: JSON.stringify(json),
  });
  expect(response.ok, await response.text()).toBe(true);
};
const problemOf = async (response: Response) =>
  (await response.json()) as { type: string; detail: string; retry: string };

/** A description that holds what examples are about, as members of `ex`. */
const example = (id: string, ex: JsonValue) => tdOf({ id, title: id, ex });

describe("GET /search/jsonpath", () => {
  let registry: TestService;
  const signed = signedTd({ members: { id: "urn:example:signed", title: "signed", float: 1.5 } });

  beforeAll(async () => {
    registry = await startTestService({ admission: "open" }, { clock });
    const store = {
      book: [
        { category: "reference", author: "Nigel Rees", title: "Sayings of the Century", price: 8.95 },
        { category: "fiction", author: "Evelyn Waugh", title: "Sword of Honour", price: 12.99 },
        { category: "fiction", author: "Herman Melville", title: "Moby Dick", isbn: "0-553-21311-3", price: 8.99 },
        { category: "fiction", author: "J. R. R. Tolkien", title: "The Lord", isbn: "0-395-19395-8", price: 22.99 },
      ],
      bicycle: { color: "red", price: 399 },
    };
    await put(registry, example("urn:example:store", { store }));
    await put(
      registry,
      example("urn:example:values", {
        a: [3, 5, 1, 2, 4, 6, { b: "j" }, { b: "k" }, { b: {} }, { b: "kilo" }],
        o: { p: 1, q: 2, r: 3, s: 5, t: { u: 6 } },
        e: "f",
        "j j": { "k.k": 3 },
        "'": { "@": 2 },
        n: null,
        x: [{ a: 1 }, { a: null }, {}, { a: 1.0 }],
      }),
    );
    expect((await registry.put(signed)).status).toBe(201);
    now.at = new Date();
  });
  afterAll(() => registry?.close());

  // From the tables of RFC 9535, each below the member that holds the example's document.
  const values = "$[?@.title=='urn:example:values'].ex";
  const store = "$[?@.title=='urn:example:store'].ex";
  test.each([
    [`${store}.store.book[*].author`, ["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]],
    [`${store}..author`, ["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]],
    [`${store}.store..price`, [8.95, 12.99, 8.99, 22.99, 399]],
    [`${store}..book[2].title`, ["Moby Dick"]],
    [`${store}..book[2].publisher`, []],
    [`${store}..book[-1].title`, ["The Lord"]],
    [`${store}..book[0,1].title`, ["Sayings of the Century", "Sword of Honour"]],
    [`${store}..book[:2].price`, [8.95, 12.99]],
    [`${store}..book[?@.isbn].title`, ["Moby Dick", "The Lord"]],
    [`${store}..book[?@.price<10].title`, ["Sayings of the Century", "Moby Dick"]],
    [`${values}['j j']['k.k']`, [3]],
    [`${values}["j j"]["k.k"]`, [3]],
    [`${values}["'"]["@"]`, [2]],
    [`${values}.a[1]`, [5]],
    [`${values}.a[-1].b`, ["kilo"]],
    [`${values}.a[1:3]`, [5, 1]],
    [`${values}.a[1:5:2]`, [5, 2]],
    [`${values}.a[5:1:-2]`, [6, 2]],
    [`${values}.a[?@.b == 'kilo']`, [{ b: "kilo" }]],
    [`${values}.a[?(@.b == 'kilo')]`, [{ b: "kilo" }]],
    [`${values}.a[?@>3.5]`, [5, 4, 6]],
    [`${values}.a[?@.b]`, [{ b: "j" }, { b: "k" }, { b: {} }, { b: "kilo" }]],
    [`${values}.a[?@<2 || @.b == "k"]`, [1, { b: "k" }]],
    [`${values}.a[?match(@.b, "[jk]")]`, [{ b: "j" }, { b: "k" }]],
    [`${values}.a[?search(@.b, "[jk]")]`, [{ b: "j" }, { b: "k" }, { b: "kilo" }]],
    [`${values}.o[?@>1 && @<4]`, [2, 3]],
    [`${values}.o[?@.u || @.x]`, [{ u: 6 }]],
    [`${values}.a[?@.b == $.x].b`, []],
    [`${values}.x[?@.a == 1]`, [{ a: 1 }, { a: 1 }]],
    [`${values}.x[?@.a == null]`, [{ a: null }]],
    [`${values}.x[?!@.a]`, [{}]],
    [`${values}.x[?@.a != 1]`, [{ a: null }, {}]],
    [`${values}.x[?count(@.*) == 1].a`, [1, null, 1]],
    [`${values}.x[?length(@) == 0]`, [{}]],
    [`${values}..[?value(@..u) == 6].u`, [6]],
    [`${values}.n`, [null]],
    [`${values}.n.m`, []],
    ["$[?@.ex.e == 'f'].title", ["urn:example:values"]],
    ["$[?(@.ex.store.bicycle)].id", ["urn:example:store"]],
    ["$[*].title", ["signed", "urn:example:store", "urn:example:values"]],
    ["$.*.title", ["signed", "urn:example:store", "urn:example:values"]],
    ["$[1].title", ["urn:example:store"]],
    ["$[1:].title", ["urn:example:store", "urn:example:values"]],
    ["$[-1].title", ["urn:example:values"]],
    ["$[::-1].title", ["urn:example:values", "urn:example:store", "signed"]],
    ["$[0,0].title", ["signed", "signed"]],
    ["$[?@.float, 0].title", ["signed", "signed"]],
    ["$[9]", []],
    ["$.title", []],
    ["$['a', 'b']", []],
    ["$[?@.title == $[0].title].title", ["signed"]],
    ["$..bicycle.color", ["red"]],
    ["$..[?@.color].color", ["red"]],
  ])("answers %s as RFC 9535 has it", async (query, expected) => {
    // The registry's list comes by id; `$` is that list.
    expect(await find(registry, query)).toEqual(expected);
  });

  test("gives whole things as the listing shows them", async () => {
    const listed = (await (await registry.request("/things")).json()) as JsonValue[];
    expect(await find(registry, "$[*]")).toEqual(listed);
    expect(await find(registry, "$")).toEqual([listed]);
    const response = await ask(registry, "$[?@.float == 1.5]");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text(), "signed things byte for byte").toBe(`[${signed.text}]`);
  });

  test("sees what the registry adds to unsigned things, and only to them", async () => {
    expect(await find(registry, "$[?@.registration.created].title")).toEqual([
      "urn:example:store",
      "urn:example:values",
    ]);
    expect(await find(registry, "$[?!@.registration].title")).toEqual(["signed"]);
    expect(await find(registry, `$[?@.registration.retrieved == '${now.at.toISOString()}'].title`)).toHaveLength(2);
    const discovery = "https://www.w3.org/2022/wot/discovery";
    expect(await find(registry, `$[?@["@context"][1] == '${discovery}'].title`)).toEqual([
      "urn:example:store",
      "urn:example:values",
    ]);
    expect(await find(registry, "$..retrieved")).toHaveLength(2);
  });

  test("answers HEAD, and no other method or media type", async () => {
    expect((await ask(registry, "$[*].title", { method: "HEAD" })).status).toBe(200);
    expect((await ask(registry, "$[*]", { method: "POST" })).status).toBe(405);
    expect((await ask(registry, "$[*]", { headers: { accept: "text/html" } })).status).toBe(406);
    expect((await registry.request("/search/xpath?query=/")).status).toBe(404);
  });

  test.each([
    ["$[", /at its end/],
    ["", /expected '\$'/],
    ["$[?@.a==]", /at character 9/],
    ["$[?@.\u{1F600}==]", /at character \d+/],
    ["$[?length(@)]", /must be compared, at character 4/],
    ["$[?nope(@.a)]", /no such function 'nope'/],
    ["$[99999999999999999999]", /out of range/],
    ["title", /expected '\$'/],
    [`$${"[?@".repeat(33)}${"]".repeat(33)}`, /nested more than 32 deep, at character 98/],
    [`$[?${"(".repeat(500)}@.a${")".repeat(500)}]`, /nested more than 32/],
  ])("refuses %s and says where it fails", async (query, detail) => {
    const response = await ask(registry, query);
    expect(response.status).toBe(400);
    expect(await problemOf(response)).toMatchObject({
      type: "urn:thingstead:problem:invalid-parameter",
      detail: expect.stringMatching(detail) as string,
      validationErrors: [{ field: "query", description: expect.any(String) as string }],
    });
  });

  test("refuses a missing or second query, and parameters it does not know", async () => {
    for (const search of ["", "?query=$&query=$", "?q=$", "?query=$&limit=3"]) {
      expect((await registry.request(`/search/jsonpath${search}`)).status, search).toBe(400);
    }
  });

  test("takes queries of 1 KiB in UTF-8, and none longer", async () => {
    const ofBytes = (bytes: number) => {
      const query = "$[?@.title=='ä']";
      return query.replace("ä", `ä${"x".repeat(bytes - Buffer.byteLength(query))}`);
    };
    expect(Buffer.byteLength(ofBytes(limits.jsonPathBytesMax))).toBe(1_024);
    expect(await find(registry, ofBytes(limits.jsonPathBytesMax))).toEqual([]);
    const response = await ask(registry, ofBytes(limits.jsonPathBytesMax + 1));
    expect(response.status).toBe(400);
    expect((await problemOf(response)).detail).toContain("1025 bytes");
    const nested = (depth: number) => `$${"[?@".repeat(depth)}${"]".repeat(depth)}`;
    expect(await find(registry, nested(limits.jsonPathDepthMax))).toEqual([]);
  });

  test("any text is answered or refused, and never fails", async () => {
    const pieces = [
      "$",
      "@",
      "[",
      "]",
      "(",
      ")",
      "?",
      "*",
      "..",
      ".",
      "a",
      "'",
      '"',
      "==",
      "<",
      "!",
      "&&",
      "||",
      "0",
      "-1",
    ];
    const texts = fc.oneof(
      fc
        .array(fc.constantFrom(...pieces, ",", ":", "count", "length(", "\\", "null"), { maxLength: 14 })
        .map((p) => p.join("")),
      fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((p) => `$[?${p.join("")}]`),
      fc.string({ unit: "grapheme", maxLength: 20 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          planQuery(text);
        } catch (error) {
          expect(error).toBeInstanceOf(Problem);
        }
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("narrowing", () => {
  test("finds what reading everything finds", async () => {
    await using place = await createDatabasePlace();
    await using registry = await startTestService({ admission: "open" }, { place });
    const ids = ["b", "a", "Z", "\uFB33", "\u{1F600}", "c/d", "e", "f", "g", "h", "i", "j"].map((id) => `urn:t:${id}`);
    const samples = fc.sample(members, { numRuns: ids.length, seed: 7 });
    for (const [index, id] of ids.entries()) {
      const { id: _, title, ...rest } = tdOf();
      // Below a member without meaning, since a description's own have to be valid; some at the top as well.
      const sample = samples[index] ?? {};
      await put(registry, {
        ...rest,
        id,
        title: index % 2 ? String(title) : "lamp",
        a: sample,
        status: sample["status"] ?? 1,
      });
    }
    const key = signedTd({
      members: { id: "urn:t:signed", registration: { created: "2020-01-01T00:00:00Z" }, a: [{ b: 1 }] },
    });
    expect((await registry.put(key)).status).toBe(201);
    const files = existsSync(collection) ? readdirSync(collection).filter((name) => name.endsWith(".json")) : [];
    for (const name of files) {
      const td = JSON.parse(readFileSync(new URL(name, collection), "utf8")) as JsonObject;
      await put(registry, { ...td, id: `urn:collected:${name}` });
    }
    await registry.close();
    const db = await openDatabase(place.options);
    const deps = { db: db.orm, entries: createEntryReader(db.orm), clock: systemClock };
    // Only a frozen clock gives both the same `retrieved`.
    const at = new Date();
    const narrowed = createJsonPathSearch({ ...deps, clock: { now: () => at } });
    const plain = createJsonPathSearch({ ...deps, clock: { now: () => at }, settings: { narrowing: false } });
    try {
      const below = queries.map((query) => query.replaceAll("@[", "@.a[").replaceAll("$[0]", "$[0].a"));
      const real = fc.constantFrom(...realQueries);
      await fc.assert(
        fc.asyncProperty(fc.oneof(queries, below, real), async (query) => {
          expect(await narrowed.find(query)).toBe(await plain.find(query));
        }),
        { numRuns: 300 },
      );
      for (const query of realQueries) expect(await narrowed.find(query)).toBe(await plain.find(query));
    } finally {
      await narrowed.stop();
      await plain.stop();
      await db.close();
    }
  }, 240_000);

  test("sees every change at once, indexed or not", async () => {
    await using registry = await startTestService({ admission: "open" }, { clock });
    now.at = new Date();
    const titles = (query: string) => find(registry, query);
    for (let round = 0; round < 5; round += 1) {
      const id = `urn:example:${round}`;
      await put(registry, tdOf({ id, title: `one-${round}`, registration: { ttl: 100 } }));
      expect(await titles(`$[?@.title=='one-${round}'].id`)).toEqual([id]);
      await put(registry, tdOf({ id, title: `two-${round}` }));
      expect(await titles(`$[?@.title=='one-${round}'].id`)).toEqual([]);
      expect(await titles(`$[?@.title=='two-${round}'].id`)).toEqual([id]);
    }
    const td = signedTd({ members: { title: "three" } });
    expect((await registry.put(td)).status).toBe(201);
    expect(await titles("$[?@.title=='three'].id")).toEqual([td.id]);
    const gone = signedTombstone(td.id, td.key, new Date(Date.now() + 1_000));
    expect((await registry.put(gone, { "content-type": "application/ld+json" })).status).toBe(204);
    expect(await titles("$[?@.title=='three'].id")).toEqual([]);

    await put(registry, tdOf({ id: "urn:example:ttl", title: "ttl", registration: { ttl: 100 } }));
    expect(await titles("$[?@.title=='ttl'].id")).toEqual(["urn:example:ttl"]);
    now.at = new Date(now.at.getTime() + 100_000);
    expect(await titles("$[?@.title=='ttl'].id"), "run out").toEqual([]);
    now.at = new Date();
    const unlisted = await registry.request(thingPath("urn:example:0"), {
      method: "DELETE",
      headers: { authorization: `Bearer ${adminToken}` },
    });
    expect(unlisted.status).toBe(204);
    expect(await titles("$[?@.title=='two-0'].id")).toEqual([]);
  });

  test("neither shows nor hides anything when the index is wrong or starts again", async () => {
    await using place = await createDatabasePlace();
    {
      await using registry = await startTestService({ admission: "open" }, { place });
      await put(registry, tdOf({ id: "urn:example:1", title: "one" }));
      await expect.poll(() => find(registry, "$[?@.title=='one'].id")).toEqual(["urn:example:1"]);
    }
    const db = await openDatabase(place.options);
    await using search = searchIn(db);
    await db.orm.delete(searchPaths);
    await rewindConsumer(db.orm, pathIndexer);
    expect(JSON.parse(await search.find("$[?@.title=='one'].id")), "not indexed yet").toEqual(["urn:example:1"]);
    // Terms of something else, and of an entry that there is not.
    const key = "ab".repeat(32) as EntryKey;
    await applyPathChanges([{ key, terms: ["x", "y"] }], db.orm);
    expect(JSON.parse(await search.find("$[?@.title=='none'].id"))).toEqual([]);
    await db.close();
    await using again = await startTestService({ admission: "open" }, { place });
    expect(await find(again, "$[?@.title=='one'].id")).toEqual(["urn:example:1"]);
    await expect.poll(() => find(again, "$[?@.title=='none'].id")).toEqual([]);
  });

  test("is by the index alone once that is up to date, in the listing's order and in pages", async () => {
    await using db = await createTestDatabase();
    expect(await findCandidates(db.orm, { condition: true, after: null, limit: 5, now: now.at })).toBeNull();
    const condition = { term: "x" } as const;
    expect(await findCandidates(db.orm, { condition, after: null, limit: 5, now: now.at })).toEqual([]);
  });
});

describe("a costly query", () => {
  let registry: TestService;
  const nested = "$[?@..[?@..[?@..[?@..a]]]]";

  beforeAll(async () => {
    registry = await startTestService({ admission: "open" });
    // Nearly as many values, and as deep, as a document may be.
    const chain = (depth: number): JsonObject => (depth === 0 ? {} : { b: chain(depth - 1) });
    const chains = Array.from({ length: 165 }, () => chain(29));
    for (let index = 0; index < 3; index += 1) {
      await put(registry, tdOf({ id: `urn:example:${index}`, title: `${"a".repeat(60)}!`, chains }));
    }
  });
  afterAll(() => registry?.close());

  test.each([nested, "$[?match(@.title, '((a+)+)+')]", "$[?search(@.title, '(a*)*(a*)*(a*)*b')]", "$..*..*..*..*..*"])(
    "%s is given up when its time is over",
    async (query) => {
      const started = performance.now();
      const response = await ask(registry, query);
      expect(response.status).toBe(503);
      expect(await problemOf(response)).toMatchObject({
        type: "urn:thingstead:problem:query-too-costly",
        retry: "never",
      });
      expect(performance.now() - started).toBeLessThan(limits.jsonPathPageMsMax + 8_000);
      expect(await find(registry, "$[0].id"), "and the next one is answered").toEqual(["urn:example:0"]);
    },
  );

  test("keeps nobody else from being answered", async () => {
    const hostile = Array.from({ length: 4 }, () =>
      registry.fetch(`/search/jsonpath?query=${encodeURIComponent(nested)}`),
    );
    let answered = 0;
    let running = true;
    void Promise.all(hostile).finally(() => (running = false));
    while (running) {
      const thing = await registry.fetch(thingPath("urn:example:1"));
      await thing.arrayBuffer();
      const cheap = await registry.request(`/search/jsonpath?query=${encodeURIComponent("$[?@.title=='x']")}`);
      expect(cheap.status, "cheap queries need no thread").toBe(200);
      if (running) answered += 1;
    }
    for (const response of await Promise.all(hostile)) {
      expect(response.status).toBe(503);
      expect((await problemOf(response)).type).toContain("query-too-costly");
    }
    // They take seconds; a service that evaluated them in its own thread would have answered nothing meanwhile.
    expect(answered).toBeGreaterThan(5);
  });

  test("is refused where its result, the things it needs, or the number of searches is too large", async () => {
    await using db = await createTestDatabase();
    const entries = createEntryReader(db.orm);
    await using few = searchIn(db, { searchesMax: 0 });
    await expect(few.find("$[*]")).rejects.toMatchObject({ type: "too-many-requests" });

    await using place = await createDatabasePlace();
    {
      await using writer = await startTestService({ admission: "open" }, { place });
      await put(writer, tdOf({ id: "urn:example:1", title: "one" }));
    }
    const stored = await openDatabase(place.options);
    const whole = JSON.stringify(["urn:example:1"]);
    {
      await using exact = searchIn(stored, { resultCharactersMax: whole.length });
      expect(await exact.find("$[*].id")).toBe(whole);
      await using short = searchIn(stored, { resultCharactersMax: whole.length - 1 });
      await expect(short.find("$[*].id")).rejects.toMatchObject({ type: "query-too-costly", retry: "never" });
      const [thing] = await createEntryReader(stored.orm).listPrimary({
        after: null,
        offset: 0,
        limit: 1,
        now: new Date(),
      });
      const characters = thing?.document.length ?? 0;
      await using enough = searchIn(stored, { wholeCharactersMax: characters });
      expect(await enough.find("$[-1].id")).toBe(whole);
      await using tooFew = searchIn(stored, { wholeCharactersMax: characters - 1 });
      await expect(tooFew.find("$[-1].id")).rejects.toMatchObject({ type: "query-too-costly", retry: "never" });
      await using noPageTime = searchIn(stored, { pageMsMax: 1 });
      await expect(noPageTime.find("$..id")).rejects.toMatchObject({ type: "query-too-costly" });
      await using noTime = searchIn(stored, { msMax: 0 });
      await expect(noTime.find("$[*].id")).rejects.toMatchObject({ type: "query-too-costly" });
    }
    await stored.close();
    expect(await entries.countPrimary(new Date())).toBe(0);
  });
});

/** Queries that clients write, about the collected descriptions. */
const realQueries = [
  "$[?@.title=='lamp']",
  "$[?(@.title=='lamp')]",
  "$[?(@.properties.status)]",
  "$[?(@.properties.status && @.actions.toggle)].title",
  "$[?!@.properties.status].id",
  "$[?@['@type'][?@=='saref:LightSwitch']].id",
  "$[?@.security=='nosec_sc' || @.security[0]=='nosec_sc'].id",
  "$[?@.securityDefinitions[?@.scheme=='basic']].title",
  "$[?@.forms[?@.op=='readallproperties']].title",
  "$[?@.properties[?@.readOnly==true && @.type!='string']].title",
  "$[?@..[?@.unit]].id",
  "$[*].title",
  "$[*].properties.*.forms[*].href",
  "$..unit",
  "$..forms[?@.contentType=='application/json'].href",
  "$[?search(@.description, '[Ll]amp')].title",
  "$[?length(@.title) > 20].title",
  "$[?count(@.actions.*) >= 2].title",
  "$[?@.registration.modified > '2020'].title",
  "$[?@.version.instance >= '1'].id",
  "$[?@['@context'] == 'https://www.w3.org/2022/wot/td/v1.1'].title",
];

function searchIn(db: { orm: Parameters<typeof createEntryReader>[0] }, settings = {}) {
  const search = createJsonPathSearch({ db: db.orm, entries: createEntryReader(db.orm), clock: systemClock, settings });
  return { ...search, [Symbol.asyncDispose]: () => search.stop() };
}
