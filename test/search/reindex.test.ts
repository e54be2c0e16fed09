import { sql } from "drizzle-orm";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDatabase } from "../../src/db/client.ts";
import { type Ran, runCli } from "../support/cli.ts";
import { createDatabasePlace, type DatabasePlace } from "../support/database.ts";
import { signedTd } from "../support/descriptions.ts";
import { type MeilisearchStandIn, startMeilisearchStandIn } from "../support/meilisearch-server.ts";
import { startTestService, type TestService } from "../support/service.ts";

let place: DatabasePlace;
let standIn: MeilisearchStandIn;

beforeEach(async () => {
  place = await createDatabasePlace();
  standIn = await startMeilisearchStandIn({ apiKey: "test-key" });
});
afterEach(async () => {
  await standIn[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

function reindex(env: Record<string, string> = {}): Promise<Ran> {
  const { databaseUrl, dataDir } = place.config;
  const database: Record<string, string> = databaseUrl === null ? { DATA_DIR: dataDir } : { DATABASE_URL: databaseUrl };
  return runCli(["reindex"], { env: { ...database, LOG_LEVEL: "silent", ...env } });
}

const meilisearch = () => ({ SEARCH_ENGINE: "meilisearch", MEILI_URL: standIn.url, MEILI_API_KEY: "test-key" });
const startWithMeilisearch = () =>
  startTestService({ searchEngine: "meilisearch", meiliUrl: standIn.url, meiliApiKey: "test-key" }, { place });

async function search(registry: TestService, query: string) {
  const answer = await registry.fetch(`/search?${query}`);
  return ((await answer.json()) as { items: { id: string }[] }).items.map(({ id }) => id);
}

/** Documents of entries, in all indexes. */
function indexed(): string[] {
  return [...standIn.indexes.values()]
    .flatMap(({ documents }) => [...documents.keys()])
    .filter((key) => key !== "marker");
}

test("`reindex` builds Meilisearch's index anew, which is then searched", async () => {
  const documents = [1, 2, 3].map((number) => signedTd({ members: { title: `Sensor ${number}` } }));
  await using registry = await startWithMeilisearch();
  for (const document of documents) await registry.put(document);
  await expect.poll(() => indexed().length, { timeout: 10_000 }).toBe(3);
  await registry.close();

  for (const { documents: kept } of standIn.indexes.values()) {
    for (const key of kept.keys()) if (key !== "marker") kept.delete(key);
  }
  const done = await reindex(meilisearch());
  expect(done.stderr).toContain("The index of meilisearch is built anew.");
  expect(done.code).toBe(0);
  expect(indexed()).toHaveLength(3);
  expect(standIn.indexes.size).toBe(1);

  await using again = await startWithMeilisearch();
  const asked = standIn.requests.length;
  expect((await search(again, "q=sensor")).toSorted()).toEqual(documents.map(({ id }) => id).toSorted());
  expect(standIn.requests.slice(asked)).toContain("POST /multi-search");
});

test("`reindex` builds the database's own index anew", async () => {
  const document = signedTd({ members: { title: "Sensor" } });
  await using registry = await startTestService({}, { place });
  await registry.put(document);
  await expect.poll(() => search(registry, "q=sensor")).toEqual([document.id]);
  await registry.close();
  const db = await openDatabase(place.options);
  await db.orm.execute(sql`delete from search_entries`);
  await db.orm.execute(sql`delete from search_details`);
  await db.close();

  const done = await reindex();
  expect(done.stderr).toContain("The index of postgres is built anew.");
  await using again = await startTestService({}, { place });
  expect(await search(again, "q=sensor")).toEqual([document.id]);
});

test("`reindex` says what to do where a registry runs on the embedded database, or the server is down", async () => {
  await standIn.stop();
  const down = await reindex(meilisearch());
  expect(down.code).toBe(1);
  expect(down.stderr).toContain("Check MEILI_URL");
  await using registry = await startTestService({}, { place });
  const beside = await reindex();
  if (place.kind === "pglite") {
    expect(beside.code).toBe(1);
    expect(beside.stderr).toContain("stop that registry, run this, and start it again");
  } else expect(beside.code).toBe(0);
  expect((await registry.fetch("/health/ready")).status).toBe(200);
});
