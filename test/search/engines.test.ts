import { randomUUID } from "node:crypto";
import { describe } from "vitest";
import { createMeilisearch } from "../../src/search/meilisearch/meilisearch.ts";
import { createPostgresSearch } from "../../src/search/postgres.ts";
import { createTestDatabase, emptyTables } from "../support/database.ts";
import { startMeilisearchStandIn } from "../support/meilisearch-server.ts";
import { describeSearchEngine, type EngineUnderTest } from "./contract.ts";

/** A real server, of which an index with a name of its own is used and then deleted. */
const serverUrl = process.env["MEILI_URL"];
const apiKey = process.env["MEILI_API_KEY"] ?? null;

async function openPostgresSearch(): Promise<EngineUnderTest> {
  const db = await createTestDatabase();
  const engine = createPostgresSearch({ db: db.orm });
  return {
    engine,
    async apply(changes) {
      await engine.apply(changes, db.orm);
      await engine.maintain();
    },
    clear: () => emptyTables(db),
    [Symbol.asyncDispose]: () => db.close(),
  };
}

async function openMeilisearch(server: { url: string; apiKey: string | null }): Promise<EngineUnderTest> {
  const database = await openPostgresSearch();
  const engine = createMeilisearch({ server, uid: `thingstead-test-${randomUUID()}`, catalogue: database.engine });
  return {
    engine,
    async apply(changes) {
      await database.apply(changes);
      await engine.write(changes);
    },
    async clear() {
      await database.clear();
      await engine.drop();
      await engine.prepare(async () => {});
    },
    async [Symbol.asyncDispose]() {
      await engine.drop();
      await database[Symbol.asyncDispose]();
    },
  };
}

describeSearchEngine("postgres", openPostgresSearch, { corrects: true });

// A stand-in in place of a server: it shows that what the registry asks for is well-formed and means what it should.
describeSearchEngine(
  "meilisearch, on the stand-in of its server",
  async () => {
    const standIn = await startMeilisearchStandIn({ apiKey: "test-key" });
    const subject = await openMeilisearch({ url: standIn.url, apiKey: "test-key" });
    return {
      ...subject,
      async [Symbol.asyncDispose]() {
        await subject[Symbol.asyncDispose]();
        await standIn[Symbol.asyncDispose]();
      },
    };
  },
  { corrects: false },
);

describe.skipIf(serverUrl === undefined)("with MEILI_URL", () => {
  describeSearchEngine(
    "meilisearch, on the server at MEILI_URL",
    () => openMeilisearch({ url: serverUrl ?? "", apiKey }),
    { corrects: true },
  );
});
