import { expect, test } from "vitest";
import { createDatabasePlace } from "../support/database.ts";
import { signedTd } from "../support/descriptions.ts";
import { startMeilisearchStandIn } from "../support/meilisearch-server.ts";
import { freePort, startServerProcess } from "../support/process.ts";
import { thingPath } from "../support/service.ts";

/** The server does each of these, and before the registry can hear of it, the registry is gone. */
const moments = ["settingsUpdate", "documentAdditionOrUpdate"];

test("kill -9 between what the server does and the checkpoint loses no entry", { timeout: 120_000 }, async () => {
  await using standIn = await startMeilisearchStandIn({ apiKey: "test-key" });
  await using place = await createDatabasePlace();
  const port = await freePort();
  const { databaseUrl, dataDir } = place.config;
  const database: Record<string, string> = databaseUrl === null ? { DATA_DIR: dataDir } : { DATABASE_URL: databaseUrl };
  const server = { SEARCH_ENGINE: "meilisearch", MEILI_URL: standIn.url, MEILI_API_KEY: "test-key" };
  const start = () => startServerProcess({ port, env: { ...database, ...server } });
  const ids: string[] = [];

  for (const moment of moments) {
    await using registry = await start();
    const killed = Promise.withResolvers<void>();
    standIn.failingTask = (type, documents) => {
      if (type === moment && (documents.length === 0 || documents.some(({ key }) => key !== "marker"))) {
        process.kill(registry.pid, "SIGKILL");
        killed.resolve();
      }
      return null;
    };
    const { id, text } = signedTd({ members: { title: `Killed at ${moment}` } });
    const headers = { "content-type": "application/td+json" };
    const answer = await fetch(registry.url + thingPath(id), { method: "PUT", headers, body: text }).catch(() => null);
    if (answer?.status === 201) ids.push(id);
    await killed.promise;
  }
  expect(ids.length).toBeGreaterThan(0);

  standIn.failingTask = () => null;
  await using registry = await start();
  // Who was killed is waited for until its turn has run out.
  await expect
    .poll(
      async () => {
        const asked = standIn.requests.length;
        const answer = await fetch(`${registry.url}/search?q=killed&limit=100`);
        const { items } = (await answer.json()) as { items: { id: string }[] };
        const isFromServer = standIn.requests.slice(asked).includes("POST /multi-search");
        return isFromServer && answer.ok && ids.every((id) => items.some((item) => item.id === id));
      },
      { timeout: 60_000, interval: 250 },
    )
    .toBe(true);
});
