import { setTimeout as sleep } from "node:timers/promises";
import { asc } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Database, openDatabase } from "../../src/db/client.ts";
import { appendToJournal } from "../../src/db/journal.ts";
import { createLogReader, hashOfRecord, logStart, startPublicLog } from "../../src/db/public-log.ts";
import { journal } from "../../src/db/schema/index.ts";
import { createTestDatabase } from "../support/database.ts";
import { journalRow } from "../support/journal-rows.ts";
import { seededRandom } from "../support/random.ts";

const writers = 8;
const nodes = 2;
const transactionsEach = 150;

let db: Awaited<ReturnType<typeof createTestDatabase>>;
let writing: Database;
let nodeDatabases: Database[];

beforeAll(async () => {
  db = await createTestDatabase();
  writing = await openDatabase({ ...db.place.options, connectionsMax: writers });
  nodeDatabases = await Promise.all(Array.from({ length: nodes }, () => openDatabase(db.place.options)));
});

afterAll(async () => {
  for (const database of [...nodeDatabases, writing]) await database.close();
  await db.close();
});

/** Appends one to three rows a transaction, with pauses before it commits; every tenth is rolled back. */
async function write(writer: number): Promise<number> {
  const random = seededRandom(writer);
  const rolledBack = new Error("rolled back");
  let committed = 0;
  for (let round = 0; round < transactionsEach; round += 1) {
    const rows = 1 + Math.floor(random() * 3);
    const fails = random() < 0.1;
    const transaction = writing.orm.transaction(async (tx) => {
      for (let row = 0; row < rows; row += 1) {
        await appendToJournal(tx, journalRow(`urn:${writer}:${round}:${row}`));
        await sleep(random() * 3);
      }
      if (fails) throw rolledBack;
    });
    await transaction.catch((error: unknown) => {
      if (error !== rolledBack) throw error;
    });
    if (!fails) committed += rows;
  }
  return committed;
}

test("two nodes make one chain of what eight writers write, without a gap or anything twice", async () => {
  const logs = nodeDatabases.map(({ orm }) => startPublicLog({ db: orm }));
  const reader = createLogReader(db.orm);

  // A reader meanwhile: what was published once stays as it was, and the head is never ahead of what can be read.
  let isDone = false;
  const seen: string[] = [];
  const watch = async () => {
    while (!isDone) {
      const head = await reader.head();
      const { entries } = await reader.readLog(seen.length, 10_000);
      for (const { seq, hash } of entries) {
        expect(seq).toBe(seen.length + 1);
        seen.push(hash);
      }
      expect(seen.length).toBeGreaterThanOrEqual(head.seq);
      if (head.seq > 0) expect(seen[head.seq - 1]).toBe(head.hash);
      await sleep(5);
    }
  };
  const wakeAtRandom = async () => {
    const random = seededRandom(99);
    while (!isDone) {
      logs[Math.floor(random() * nodes)]?.wake();
      await sleep(random() * 10);
    }
  };

  const watching = Promise.all([watch(), wakeAtRandom()]);
  let total = 0;
  try {
    const written = await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    total = written.reduce((sum, rows) => sum + rows, 0);
    await expect.poll(async () => (await reader.head()).seq, { timeout: 20_000 }).toBe(total);
  } finally {
    isDone = true;
    await watching;
    for (const log of logs) await log.stop();
  }

  const rows = await db.orm.select().from(journal).orderBy(asc(journal.xid), asc(journal.id));
  let hash = logStart.hash;
  const expected = rows.map(({ at, kind, controller, thingId: id, digest }, index) => {
    hash = hashOfRecord(hash, { seq: index + 1, at: at.toISOString(), kind, controller, id, digest });
    return hash;
  });
  const { entries } = await reader.readLog(0, 10_000);
  expect(entries.map((entry) => entry.hash)).toEqual(expected);
  expect(seen.length).toBeLessThanOrEqual(total);
  expect(seen).toEqual(expected.slice(0, seen.length));
}, 60_000);
