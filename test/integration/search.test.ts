import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import type { SearchEngine, SearchQuery } from "../../src/search/port.ts";
import { runCli } from "../support/cli.ts";
import { type SignedTd, signedTd } from "../support/descriptions.ts";
import { type FederatedApp, startFederatedApp } from "../support/federated-app.ts";
import { problemOf } from "../support/service.ts";

const silent = "https://silent.example";

let app: FederatedApp;
/** What the engine was asked last, and what it is made to say besides its own answer. */
let asked: SearchQuery | null = null;
let says: Partial<Awaited<ReturnType<SearchEngine["search"]>>> = {};
let painter: SignedTd;
let reader: SignedTd;
let clock: SignedTd;

const action = (members: JsonObject = {}): JsonObject => ({
  forms: [{ href: "https://agents.example/x" }],
  ...members,
});

beforeAll(async () => {
  app = await startFederatedApp({
    isStale: (origin) => origin === silent,
    staleOrigins: async () => [silent],
  });
  const { search } = app;
  const real = search.search.bind(search);
  search.search = async (query, now) => {
    asked = query;
    return { ...(await real(query, now)), ...says };
  };
  const json = { contentType: "application/json" };
  painter = await publish({
    title: "Painter",
    latency: "200ms",
    actions: {
      paintPicture: action({
        input: { type: "string" },
        output: {},
        forms: [{ href: "https://agents.example/paint", ...json, response: { contentType: "image/png" } }],
      }),
      list_colours: action(),
    },
  });
  reader = await publish({
    title: "Reader of pictures",
    "lmos:latency": "PT2S",
    actions: {
      readPicture: action({
        input: { type: "string", contentMediaType: "image/jpeg" },
        output: {},
        forms: [{ href: "https://agents.example/read", ...json }],
      }),
    },
  });
  clock = await publish({ title: "A dial", actions: { listColours: action(), "get\u{E0041}Time": action() } });
  await vi.waitFor(async () => expect(await itemsOf("")).toHaveLength(3));
});
afterAll(() => app[Symbol.asyncDispose]());

async function publish(members: JsonObject): Promise<SignedTd> {
  const document = signedTd({ members });
  expect((await app.registry.put(document)).status).toBe(201);
  return document;
}

interface Answer {
  items: (JsonObject & { id: string })[];
  next: string | null;
}

async function answerTo(query: string): Promise<Answer> {
  const response = await app.request(`/search?${query}`);
  expect(response.status, query).toBe(200);
  return (await response.json()) as Answer;
}

const itemsOf = async (query: string) => (await answerTo(query)).items;
const idsOf = async (query: string) => (await itemsOf(query)).map(({ id }) => id);
const run = (...args: string[]) => runCli(args, { env: { THINGSTEAD_REGISTRY: app.url } });

describe("what a thing takes, gives and promises", () => {
  test("is filtered by, ranges of media types too", async () => {
    expect(await idsOf("output=image/png")).toEqual([painter.id]);
    expect(await idsOf("output=image/*")).toEqual([painter.id]);
    expect(await idsOf("input=image/*")).toEqual([reader.id]);
    expect(await idsOf("input=application/json&output=application/json")).toEqual([reader.id]);
    expect((await idsOf("media=image/*")).toSorted()).toEqual([painter.id, reader.id].toSorted());
    expect(await idsOf("maxLatency=200")).toEqual([painter.id]);
    expect(await idsOf("maxLatency=200ms&q=picture")).toEqual([painter.id]);
    expect(await idsOf("maxLatency=199")).toEqual([]);
    expect((await idsOf("maxLatency=2%20s")).toSorted()).toEqual([painter.id, reader.id].toSorted());
  });

  test("is shown", async () => {
    const latencies = new Map((await itemsOf("")).map(({ id, latency }) => [id, latency]));
    expect(latencies).toEqual(
      new Map([
        [clock.id, null],
        [reader.id, 2_000],
        [painter.id, 200],
      ]),
    );
    for (const { modified } of await itemsOf("")) expect(Date.parse(String(modified))).toBeGreaterThan(0);
  });
});

describe("changes since", () => {
  test("are since an instant, or back from now", async () => {
    const later = new Date(Date.now() + 60_000).toISOString();
    expect(await idsOf("modifiedSince=PT1H")).toHaveLength(3);
    expect(await idsOf("modifiedSince=24h&q=picture")).toHaveLength(2);
    expect(await idsOf(`modifiedSince=${later}`)).toEqual([]);
    expect(await idsOf("modifiedSince=0001-01-01T00:00:00Z")).toHaveLength(3);
    expect(await idsOf("modifiedSince=9999-12-31T23:59:59-12:00")).toEqual([]);
  });

  test("back from now go on from page to page with the first page's now", async () => {
    const first = await answerTo("modifiedSince=P7D&limit=2");
    const since = asked?.modifiedSince;
    const second = await answerTo(`modifiedSince=P7D&limit=2&cursor=${encodeURIComponent(first.next ?? "")}`);
    expect(asked?.modifiedSince).toEqual(since);
    expect(new Set([...first.items, ...second.items].map(({ id }) => id)).size).toBe(3);
    for (const cursor of ["x", "~", "99999999999999~x", `1~${first.next?.split("~")[1] ?? ""}`]) {
      const response = await app.request(`/search?modifiedSince=P7D&limit=2&cursor=${encodeURIComponent(cursor)}`);
      expect(await problemOf(response), cursor).toBe("invalid-parameter");
    }
  });
});

test("without words, order is what was asked for", async () => {
  expect(await idsOf("order=title")).toEqual([clock.id, painter.id, reader.id]);
  expect(await idsOf("order=newest")).toEqual([clock.id, reader.id, painter.id]);
  expect(await idsOf("order=modified")).toEqual([clock.id, reader.id, painter.id]);
});

test("what came from a silent registry can be left out", async () => {
  await app.db.orm.execute(sql`update entries set origin = ${silent} where thing_id = ${clock.id}`);
  expect((await itemsOf("stale=false")).every(({ id }) => typeof id === "string")).toBe(true);
  expect(asked?.withoutOrigins).toEqual([silent]);
  await idsOf("");
  expect(asked?.withoutOrigins).toEqual([]);
  await app.db.orm.execute(sql`update entries set origin = null where thing_id = ${clock.id}`);
});

test("a value that cannot be is a problem that names it", async () => {
  const faults: Record<string, string[]> = {
    maxLatency: ["soon", "0", "-5", "5 parsecs", "1e3", "9999999999999"],
    modifiedSince: ["yesterday", "2026-11-01", "P1M", "-5h", "2026-13-01T00:00:00Z", "40000d"],
    stale: ["true", "maybe"],
    order: ["random"],
    explain: ["please"],
  };
  for (const [name, values] of Object.entries(faults)) {
    for (const value of values) {
      const response = await app.request(`/search?${name}=${encodeURIComponent(value)}`);
      expect(response.status, `${name}=${value}`).toBe(400);
      const { validationErrors } = (await response.json()) as { validationErrors: { field: string }[] };
      expect(validationErrors.map(({ field }) => field)).toEqual([name]);
    }
  }
  const ordered = await app.request("/search?q=picture&order=title");
  expect(((await ordered.json()) as { detail: string }).detail).toMatch(/^order: must not be given with words/);
});

test("an answer that others stood in for says so, in a header", async () => {
  const headerOf = async () => (await app.request("/search?q=picture")).headers.get("search-degraded");
  expect(await headerOf()).toBeNull();
  says = { degraded: ["meilisearch", "embedder"] };
  expect(await headerOf()).toBe("meilisearch, embedder");
  says = {};
});

test("an explanation is given to who asks for it, without hidden characters", async () => {
  expect((await itemsOf("q=time"))[0]).not.toHaveProperty("explanation");
  const [item] = await itemsOf("q=time&explain=true");
  expect(asked?.explain).toBe(true);
  expect(item?.["explanation"]).toMatchObject({
    engine: "postgres",
    score: item?.["score"],
    words: [{ word: "time", places: [{ field: "name", affordance: "getTime" }] }],
  });
  const ran = await run("search", "time", "--explain");
  expect(ran.stdout).toMatch(/^ {4}time: [\d.]+ \(rarity [\d.]+, impact [\d.]+\) in name getTime$/m);
});

describe("the catalogue", () => {
  const catalogue = async (path: string) => (await (await app.request(`/capabilities${path}`)).json()) as JsonObject;

  test("answers a mistyped beginning with the nearest names", async () => {
    expect(await catalogue("?prefix=listCol")).toMatchObject({
      items: [{ capability: "listColours", count: 2 }],
      nearest: false,
    });
    expect(await catalogue("?prefix=paintPickture")).toMatchObject({
      items: [{ capability: "paintPicture", count: 1 }, { capability: "readPicture" }],
      next: null,
      nearest: true,
    });
    expect(await catalogue("?prefix=xylophone")).toEqual({ items: [], next: null, nearest: false });
  });

  test("tells what is related to a name", async () => {
    expect(await catalogue("/list%20colours")).toEqual({
      capability: "listColours",
      count: 2,
      spellings: [
        { capability: "listColours", count: 1 },
        { capability: "list_colours", count: 1 },
      ],
      similar: [],
      together: [
        { capability: "getTime", count: 1 },
        { capability: "paintPicture", count: 1 },
      ],
      approximate: false,
    });
    expect(await catalogue("/unheard")).toMatchObject({ capability: "unheard", count: 0, similar: [] });
    expect(await problemOf(await app.request(`/capabilities/${"x".repeat(201)}`))).toBe("invalid-parameter");
  });
});

describe("the program", () => {
  test("asks for all that the registry can filter by", async () => {
    const flags = ["--output", "image/*", "--max-latency", "200ms", "--since", "P7D", "--order", "title", "--no-stale"];
    const ran = await run("search", ...flags);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toContain(painter.id);
    expect(ran.stdout).toContain("answers within 200 ms");
    expect(asked).toMatchObject({ latencyMsMax: 200, order: "title", withoutOrigins: [silent] });
    expect(asked?.filters).toMatchObject({ output: ["image/*"] });
    expect(asked?.modifiedSince).not.toBeNull();
    expect((await run("search", "--input", "text/plain")).code).toBe(1);
  });

  test("lists capabilities, the nearest ones, and what is related", async () => {
    expect((await run("capabilities", "list")).stdout).toBe("2  listColours\n");
    const nearest = await run("capabilities", "getTyme");
    expect(nearest).toMatchObject({ code: 0, stderr: "No name starts with getTyme. The nearest:\n" });
    expect(nearest.stdout).toBe("1  getTime\n");
    expect((await run("capabilities", "--related", "listColours")).stdout).toContain(
      "listColours: 2\n\nWritten\n1  listColours\n1  list_colours\n\nIn the same things\n1  getTime\n1  paintPicture\n",
    );
    expect(await run("capabilities", "xylophone")).toMatchObject({ code: 1, stdout: "" });
  });
});
