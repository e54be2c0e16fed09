import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { movableClock } from "../../test/support/clock.ts";
import { emptyTables } from "../../test/support/database.ts";
import { type EmbeddingServer, failWith, startEmbeddingServer } from "../../test/support/embedding-server.ts";
import { journalRow, journalSettled } from "../../test/support/journal-rows.ts";
import { canHaveVectors, createVectorDatabase, dropVectorTables, vectorTables } from "../../test/support/vectors.ts";
import type { Consumer } from "../db/consumer.ts";
import { type Database, rowsOf } from "../db/client.ts";
import { appendToJournal, journalEnd, type JournalPosition } from "../db/journal.ts";
import { type Embeddings, openEmbeddings } from "../search/embeddings/embeddings.ts";
import { openVectorStore } from "../search/embeddings/vector-store.ts";
import { startEmbedder } from "./embedder.ts";

const hasVectors = await canHaveVectors();

describe.skipIf(!hasVectors)("the embedder", () => {
  let db: Database;
  let server: EmbeddingServer;
  let embeddings: Embeddings;
  const clock = movableClock();

  beforeAll(async () => {
    db = await createVectorDatabase();
  });
  beforeEach(async () => {
    await emptyTables(db);
    server = await startEmbeddingServer();
    const settings = { url: server.url, model: "bags", apiKey: null, tokensPerDay: 0 };
    embeddings = await openEmbeddings(settings, { db: db.orm, clock });
  });
  afterEach(async () => {
    await embeddings.close();
    await server[Symbol.asyncDispose]();
    await dropVectorTables(db);
  });
  afterAll(() => db?.close());

  const start = (part: Embeddings = embeddings) => startEmbedder({ db, embeddings: part, clock, holder: randomUUID() });

  async function change(): Promise<JournalPosition> {
    const position = await appendToJournal(db.orm, journalRow("urn:test:1"));
    await journalSettled(db.orm);
    return position;
  }

  test("moves on only once the vectors of a batch are there", async () => {
    const position = await change();
    let isDown = true;
    const failing: Embeddings = {
      ...embeddings,
      async update(changes, signal) {
        if (isDown) throw new Error("down");
        await embeddings.update(changes, signal);
      },
    };
    const embedder = start(failing);
    try {
      expect(await embedder.reached(position, 300)).toBe(false);
      isDown = false;
      expect(await embedder.reached(position, 20_000)).toBe(true);
    } finally {
      await embedder.stop();
    }
  });

  test("asks with no transaction open, so that other consumers go on meanwhile", async () => {
    await change();
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const waiting: Embeddings = {
      ...embeddings,
      async update() {
        asked.resolve();
        await answer.promise;
      },
    };
    const embedder = start(waiting);
    try {
      await asked.promise;
      // A row is read by others only once no older transaction is open.
      const later = await appendToJournal(db.orm, journalRow("urn:test:2"));
      await journalSettled(db.orm);
      expect(await journalEnd(db.orm)).toEqual(later);
    } finally {
      answer.resolve();
      await embedder.stop();
    }
  });

  test("forgets the vectors of another model when its own are complete, and not before", async () => {
    const old = await openVectorStore(db.orm, "old");
    await old.add([{ key: "00".repeat(32) as never, digest: "00".repeat(16), affordance: null, vector: [1] }]);
    await change();
    const held = Promise.withResolvers<void>();
    const slow: Embeddings = {
      ...embeddings,
      async update(changes, signal) {
        await held.promise;
        await embeddings.update(changes, signal);
      },
    };
    const embedder = start(slow);
    try {
      embedder.wake();
      expect(await vectorTables(db)).toHaveLength(1);
      held.resolve();
      await expect
        .poll(
          async () => {
            embedder.wake();
            return vectorTables(db);
          },
          { timeout: 20_000 },
        )
        .toEqual([]);
      expect(await rowsOf(db.orm, sql`select name from embedding_models`)).toEqual([{ name: "bags" }]);
    } finally {
      await embedder.stop();
    }
  });

  test("waits as long as the endpoint asks for, and stops at once meanwhile", async () => {
    await change();
    const asked = Promise.withResolvers<void>();
    let times = 0;
    const told: Embeddings = {
      ...embeddings,
      async update() {
        times += 1;
        server.next.push(failWith(429, "slow down", { "retry-after": "3600" }));
        asked.resolve();
        await embeddings.update([{ key: "00".repeat(32) as never, facts: someFacts }], new AbortController().signal);
      },
    };
    const embedder: Consumer = start(told);
    await asked.promise;
    await expect.poll(() => server.requests.length, { timeout: 20_000 }).toBe(1);
    embedder.wake();
    await embedder.stop();
    expect(times).toBe(1);
  });
});

const someFacts = {
  titles: [{ language: null, text: "Weather" }],
  descriptions: [],
  affordances: [],
  tags: [],
  vendors: [],
  examples: [],
};
