import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDatabase } from "../../src/db/client.ts";
import { movableClock } from "../support/clock.ts";
import { createDatabasePlace, type DatabasePlace, testDatabaseKind } from "../support/database.ts";
import { newKey, type SignedTd, signedTd, signedTombstone } from "../support/descriptions.ts";
import {
  answerWith,
  bagOf,
  type EmbeddingServer,
  failWith,
  startEmbeddingServer,
} from "../support/embedding-server.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { canHaveVectors } from "../support/vectors.ts";

const hasVectors = await canHaveVectors();
/** PGlite as it is opened without vectors is a database server on which pgvector is not installed. */
const lacksVectors = testDatabaseKind() === "pglite" || !hasVectors;
const patience = { timeout: 20_000 };

let place: DatabasePlace;
let server: EmbeddingServer;
beforeEach(async () => {
  place = await createDatabasePlace();
  server = await startEmbeddingServer();
  server.dimension = 512;
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

const start = (overrides: Parameters<typeof startTestService>[0] = {}, parts = {}) =>
  startTestService(
    { embeddingsUrl: server.url, embeddingsModel: "bags", embeddingsApiKey: "sk-secret", ...overrides },
    { place, ...parts },
  );

async function find(registry: TestService, words: string) {
  const response = await registry.request(`/search?q=${encodeURIComponent(words)}`);
  expect(response.status).toBe(200);
  const { items } = (await response.json()) as { items: { id: string; matched: unknown[] }[] };
  return { ids: items.map(({ id }) => id), items, degraded: response.headers.get("search-degraded") };
}

const action = { forms: [{ href: "https://things.example/act" }] };
const machine = (key = newKey()): SignedTd =>
  signedTd({ key, members: { title: "Kitchen helper", actions: { brewCoffee: action, descale: action } } });

describe.skipIf(!hasVectors)("a registry with an endpoint for embeddings", () => {
  test("finds what means the same, as long as it is registered", async () => {
    await using registry = await start();
    const key = newKey();
    const document = machine(key);
    await registry.put(document);
    await expect.poll(async () => (await find(registry, "espresso")).ids, patience).toEqual([document.id]);
    const { items, degraded } = await find(registry, "espresso");
    expect(items[0]?.matched).toEqual([{ capability: "espresso", name: "brewCoffee" }]);
    expect(degraded).toBeNull();

    await registry.put(signedTombstone(document.id, key));
    expect((await find(registry, "espresso")).ids).toEqual([]);
  });

  test("goes by words and says so while the endpoint is down, and catches up afterwards", async () => {
    server.always = failWith(503, "down");
    await using registry = await start();
    const document = machine();
    expect((await registry.put(document)).status).toBe(201);
    const found = await find(registry, "coffee");
    expect(found).toMatchObject({ ids: [document.id], degraded: "embedder" });
    server.always = null;
    await expect.poll(async () => (await find(registry, "espresso")).ids, patience).toEqual([document.id]);
  });

  test("goes on where it was after a restart, and makes all anew for another model", async () => {
    const document = machine();
    {
      await using registry = await start();
      await registry.put(document);
      await expect.poll(async () => (await find(registry, "espresso")).ids, patience).toEqual([document.id]);
    }
    const texts = server.texts().filter((text) => text.includes("brew")).length;
    {
      await using registry = await start();
      await expect.poll(async () => (await find(registry, "cappuccino")).ids, patience).toEqual([document.id]);
      expect(server.texts().filter((text) => text.includes("brew"))).toHaveLength(texts);
    }
    server.dimension = 300;
    {
      await using registry = await start({ embeddingsModel: "other bags" });
      await expect.poll(async () => (await find(registry, "espresso")).ids, patience).toEqual([document.id]);
      expect(server.texts().filter((text) => text.includes("brew"))).toHaveLength(2 * texts);
    }
  });

  test("stops at once while it waits for the next day's tokens, and goes on then", async () => {
    server.always = (response, texts) =>
      answerWith(
        response,
        texts.map((text) => bagOf(text, 512)),
        50,
      );
    const clock = movableClock();
    const first = machine();
    const second = signedTd({ members: { title: "Invoices of the month", actions: { pay: action } } });
    {
      await using registry = await start({ embeddingsTokensPerDay: 90 }, { clock });
      await registry.put(first);
      await expect.poll(() => server.texts().length, patience).toBeGreaterThan(0);
      await registry.put(second);
      // Its words are found; its meaning has to wait.
      expect((await find(registry, "invoices")).ids).toEqual([second.id]);
    }
    clock.pass(24 * 60 * 60 * 1000);
    await using registry = await start({ embeddingsTokensPerDay: 0 }, { clock });
    await expect.poll(async () => (await find(registry, "bill")).ids, patience).toEqual([second.id]);
  });

  test("opens its database without one as well", async () => {
    const document = machine();
    {
      await using registry = await start();
      await registry.put(document);
      await expect.poll(async () => (await find(registry, "espresso")).ids, patience).toEqual([document.id]);
    }
    await using registry = await start({ embeddingsUrl: null, embeddingsModel: null });
    expect(await find(registry, "coffee")).toMatchObject({ ids: [document.id], degraded: null });
    expect((await find(registry, "espresso")).ids).toEqual([]);
  });
});

test.runIf(lacksVectors)("a registry whose database has no vectors starts, and goes by words", async () => {
  await using db = await openDatabase(place.options);
  await using registry = await start({}, { database: db });
  const document = machine();
  await registry.put(document);
  expect(await find(registry, "coffee")).toMatchObject({ ids: [document.id], degraded: null });
  expect(server.requests).toEqual([]);
});
