import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Database, openDatabase, rowsOf } from "../../src/db/client.ts";
import { startConsumer } from "../../src/db/consumer.ts";
import {
  appendToJournal,
  comparePositions,
  establishEpoch,
  hasBacklog,
  type JournalPosition,
  journalStart,
  readJournal,
} from "../../src/db/journal.ts";
import { createTestDatabase, emptyTables } from "../support/database.ts";
import { journalRow, journalSettled } from "../support/journal-rows.ts";
import { seededRandom } from "../support/random.ts";

const writers = 16;
const writingMs = 3_000;

let readers: Awaited<ReturnType<typeof createTestDatabase>>;
let writing: Database;

beforeAll(async () => {
  readers = await createTestDatabase();
  writing = await openDatabase({ ...readers.place.options, connectionsMax: writers });
});

afterEach(async () => {
  await readers.orm.execute(sql`drop table if exists effects`);
  await emptyTables(readers);
});

afterAll(async () => {
  await writing.close();
  await readers.close();
});

/**
 * Lets every writer append one to three rows a transaction, with pauses before it commits, until the time is over.
 * Every tenth transaction is rolled back. Returns the thing ids that were committed.
 */
async function writeConcurrently(ms: number, seed: number): Promise<Set<string>> {
  const committed = new Set<string>();
  const deadline = performance.now() + ms;
  const rolledBack = new Error("rolled back");
  const write = async (writer: number) => {
    const random = seededRandom(seed * 1_000 + writer);
    for (let round = 0; performance.now() < deadline; round += 1) {
      const ids = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, row) => `urn:${writer}:${round}:${row}`);
      const fails = random() < 0.1;
      const transaction = writing.orm.transaction(async (tx) => {
        for (const id of ids) {
          await appendToJournal(tx, journalRow(id));
          await sleep(random() * 5);
        }
        if (fails) throw rolledBack;
      });
      await transaction.catch((error: unknown) => {
        if (error !== rolledBack) throw error;
      });
      if (!fails) for (const id of ids) committed.add(id);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  return committed;
}

/** Calls `readPage` without pause until `finished` holds and a page is empty. */
async function follow(readPage: () => Promise<number>, finished: () => boolean): Promise<void> {
  for (;;) {
    const last = finished();
    const rows = await readPage();
    if (rows === 0 && last) return;
    if (rows === 0) await sleep(1);
  }
}

describe("with 16 concurrent writers", () => {
  test("a serial cursor loses rows; the journal's cursor neither loses, repeats nor reorders any", async () => {
    const serial: string[] = [];
    let serialLast = 0;
    const readSerial = async () => {
      const rows = await rowsOf<{ id: string; thing_id: string }>(
        readers.orm,
        sql`select id, thing_id from journal where id > ${serialLast} order by id limit 100`,
      );
      serialLast = Number(rows.at(-1)?.id ?? serialLast);
      serial.push(...rows.map((row) => row.thing_id));
      return rows.length;
    };

    const ours: (JournalPosition & { thingId: string })[] = [];
    const readOurs = async () => {
      // A small page, so that pages end inside transactions.
      const rows = await readJournal(readers.orm, ours.at(-1) ?? journalStart, 7);
      ours.push(...rows.map(({ xid, id, thingId }) => ({ xid, id, thingId })));
      return rows.length;
    };

    let done = false;
    const [committed] = await Promise.all([
      writeConcurrently(writingMs, 1)
        .finally(() => journalSettled(readers.orm))
        .finally(() => {
          done = true;
        }),
      follow(readSerial, () => done),
      follow(readOurs, () => done),
    ]);

    const lostSerial = committed.size - new Set(serial).size;
    const lostOurs = committed.size - new Set(ours.map((row) => row.thingId)).size;
    process.stdout.write(
      `${committed.size} rows committed by ${writers} writers: the serial cursor lost ${lostSerial}, (xid, id) below xmin lost ${lostOurs}\n`,
    );
    expect(lostSerial).toBeGreaterThan(0);
    expect(new Set(ours.map((row) => row.thingId))).toEqual(committed);
    expect(ours).toHaveLength(committed.size);
    expect(ours.every((row, index) => index === 0 || comparePositions(ours[index - 1] ?? row, row) < 0)).toBe(true);
  });

  test("three nodes with one consumer have each row's effect once, in order, also when handlers throw", async () => {
    await readers.orm.execute(
      sql`create table effects (n bigint generated always as identity, node int, thing_id text, xid xid8, id bigint)`,
    );
    const nodes = [1, 2, 3];
    const databases = await Promise.all(nodes.map(() => openDatabase({ ...readers.place.options, connectionsMax: 2 })));
    const random = seededRandom(2);
    let thrown = 0;
    const consumers = databases.map((db, node) =>
      startConsumer({
        name: "shared",
        db: db.orm,
        batchMax: 20,
        async handle(rows, tx) {
          for (const row of rows) {
            await tx.execute(
              sql`insert into effects (node, thing_id, xid, id) values (${node}, ${row.thingId}, ${row.xid}::xid8, ${row.id})`,
            );
          }
          if (random() < 0.1) {
            thrown += 1;
            throw new Error("after the effects");
          }
        },
      }),
    );
    const poke = setInterval(() => consumers.forEach((consumer) => consumer.wake()), 10);
    try {
      const committed = await writeConcurrently(1_500, 3);
      await expect.poll(() => hasBacklog(readers.orm, "shared"), { timeout: 15_000 }).toBe(false);

      const effects = await rowsOf<{ node: number; thing_id: string; xid: string; id: string }>(
        readers.orm,
        sql`select node, thing_id, xid, id from effects order by n`,
      );
      expect(new Set(effects.map((row) => row.thing_id))).toEqual(committed);
      expect(effects).toHaveLength(committed.size);
      const positions = effects.map((row) => ({ xid: row.xid, id: Number(row.id) }));
      const disorder = positions.findIndex(
        (position, index) => index > 0 && comparePositions(positions[index - 1] ?? position, position) >= 0,
      );
      expect(disorder).toBe(-1);
      expect(thrown).toBeGreaterThan(0);
      expect(new Set(effects.map((row) => row.node)).size, "nodes that took part").toBeGreaterThan(1);
    } finally {
      clearInterval(poke);
      await Promise.all(consumers.map((consumer) => consumer.stop()));
      await Promise.all(databases.map((db) => db.close()));
    }
  });
});

test("a row is held back while an older transaction runs, and comes after its rows", async () => {
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>();
  const { promise: hasWritten, resolve: written } = Promise.withResolvers<void>();
  const slow = writing.orm.transaction(async (tx) => {
    await appendToJournal(tx, journalRow("slow"));
    written();
    await mayCommit;
  });
  await hasWritten;
  await writing.orm.transaction((tx) => appendToJournal(tx, journalRow("quick")));
  expect(await readJournal(readers.orm, journalStart, 10)).toEqual([]);
  commit();
  await slow;
  await journalSettled(readers.orm);
  const rows = await readJournal(readers.orm, journalStart, 10);
  expect(rows.map((row) => row.thingId)).toEqual(["slow", "quick"]);
});

test("nodes that start at the same time agree on the epoch, on a new database and on a restored one", async () => {
  const databases = await Promise.all(
    Array.from({ length: 4 }, () => openDatabase({ ...readers.place.options, connectionsMax: 1 })),
  );
  try {
    const first = new Set(await Promise.all(databases.map((db) => establishEpoch(db.orm))));
    expect(first.size).toBe(1);
    for (let row = 0; row < 20; row += 1) {
      await writing.orm.transaction((tx) => appendToJournal(tx, journalRow(`urn:${row}`)));
    }
    await readers.orm.execute(sql`update registry set lineage = 'another cluster'`);
    const second = new Set(await Promise.all(databases.map((db) => establishEpoch(db.orm))));
    expect(second.size).toBe(1);
    expect(second).not.toEqual(first);
    await journalSettled(readers.orm);
    const rows = await readJournal(readers.orm, journalStart, 100);
    expect(rows.map((row) => row.thingId)).toEqual(Array.from({ length: 20 }, (_, row) => `urn:${row}`));
  } finally {
    await Promise.all(databases.map((db) => db.close()));
  }
});
