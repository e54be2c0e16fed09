import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../../src/base/ids.ts";
import { type Database, type Queryable, rowsOf } from "../../src/db/client.ts";
import { type Consumer, startConsumer } from "../../src/db/consumer.ts";
import {
  appendToJournal,
  comparePositions,
  consumeBatch,
  establishEpoch,
  formatCursor,
  hasBacklog,
  type JournalPosition,
  journalStart,
  parseCursor,
  readJournal,
  rewindConsumer,
} from "../../src/db/journal.ts";
import { peers, registry } from "../../src/db/schema/index.ts";
import { createTestDatabase, emptyTables } from "../support/database.ts";
import { journalRow, journalSettled } from "../support/journal-rows.ts";

let db: Database;
const consumersRunning: Consumer[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
});

afterEach(async () => {
  for (const consumer of consumersRunning.splice(0)) await consumer.stop();
  await db.orm.execute(sql`drop table if exists effects`);
  await emptyTables(db);
});

afterAll(async () => {
  await db.close();
});

/** Appends one row in a transaction of its own, and waits until readers see it. */
async function append(thingId: string): Promise<JournalPosition> {
  const position = await db.orm.transaction((tx) => appendToJournal(tx, journalRow(thingId)));
  await journalSettled(db.orm);
  return position;
}

async function appendMany(prefix: string, count: number): Promise<{ ids: string[]; last: JournalPosition }> {
  const ids = Array.from({ length: count }, (_, index) => `${prefix}:${index}`);
  let last = journalStart;
  for (const id of ids) last = await append(id);
  return { ids, last };
}

const idsOf = (rows: { thingId: string }[]): string[] => rows.map((row) => row.thingId);

describe("reading the journal", () => {
  test("gives the rows in the order of their commits, from any position, in pages", async () => {
    const { ids } = await appendMany("urn:a", 7);
    const read: string[] = [];
    let position = journalStart;
    for (;;) {
      const page = await readJournal(db.orm, position, 3);
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(3);
      read.push(...idsOf(page));
      position = page.at(-1) ?? position;
    }
    expect(read).toEqual(ids);
    expect(await readJournal(db.orm, position, 3)).toEqual([]);
  });

  test("keeps the rows of one transaction in the order in which they were written, across pages", async () => {
    await db.orm.transaction(async (tx) => {
      for (const name of ["a", "b", "c"]) await appendToJournal(tx, journalRow(name));
    });
    await journalSettled(db.orm);
    const [first] = await readJournal(db.orm, journalStart, 1);
    expect(first?.thingId).toBe("a");
    expect(idsOf(await readJournal(db.orm, first ?? journalStart, 10))).toEqual(["b", "c"]);
  });

  test("does not see what was rolled back", async () => {
    const cancelled = db.orm.transaction(async (tx) => {
      await appendToJournal(tx, journalRow("cancelled"));
      throw new Error("cancelled");
    });
    await expect(cancelled).rejects.toThrow("cancelled");
    await append("kept");
    expect(idsOf(await readJournal(db.orm, journalStart, 10))).toEqual(["kept"]);
  });

  test("gives back everything that was written", async () => {
    const row = { ...journalRow("urn:x"), digest: digestOf("x"), origin: "https://peer.example" };
    const position = await db.orm.transaction((tx) => appendToJournal(tx, row));
    await journalSettled(db.orm);
    expect(await readJournal(db.orm, journalStart, 10)).toEqual([{ ...row, ...position }]);
  });

  test("a position survives the form that clients see", async () => {
    const position = await append("urn:x");
    const epoch = await establishEpoch(db.orm);
    expect(parseCursor(formatCursor(epoch, position))).toEqual({ epoch, position });
  });
});

describe("a batch", () => {
  test("of a consumer's first call makes its checkpoint, and then the rows come", async () => {
    await append("urn:x");
    expect(await hasBacklog(db.orm, "c")).toBe(true);
    const handled: string[] = [];
    const handle = async (rows: { thingId: string }[]) => void handled.push(...idsOf(rows));
    await consumeBatch(db.orm, "c", 10, handle);
    await consumeBatch(db.orm, "c", 10, handle);
    expect(handled).toEqual(["urn:x"]);
    expect(await hasBacklog(db.orm, "c")).toBe(false);
    expect(await hasBacklog(db.orm, "another")).toBe(true);
  });

  test("that fails leaves neither effects nor a moved checkpoint", async () => {
    await db.orm.execute(sql`create table effects (thing_id text)`);
    await append("urn:x");
    await consumeBatch(db.orm, "c", 10, async () => {});
    const failing = consumeBatch(db.orm, "c", 10, async (_rows, tx) => {
      await tx.execute(sql`insert into effects values ('half done')`);
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await rowsOf(db.orm, sql`select * from effects`)).toEqual([]);
    expect(await hasBacklog(db.orm, "c")).toBe(true);
  });

  test("comes again from the start after a rewind", async () => {
    const { ids } = await appendMany("urn:a", 3);
    const handled: string[] = [];
    const handle = async (rows: { thingId: string }[]) => void handled.push(...idsOf(rows));
    for (let round = 0; round < 3; round += 1) await consumeBatch(db.orm, "c", 10, handle);
    await rewindConsumer(db.orm, "c");
    await consumeBatch(db.orm, "c", 10, handle);
    expect(handled).toEqual([...ids, ...ids]);
  });
});

describe("a running consumer", () => {
  function start(handle: (ids: string[], tx: Queryable) => Promise<void>, batchMax = 3): Consumer {
    const consumer = startConsumer({
      name: "c",
      db: db.orm,
      batchMax,
      handle: (rows, tx) => handle(idsOf(rows), tx),
    });
    consumersRunning.push(consumer);
    return consumer;
  }

  test("catches up with what was there, then follows, in order", async () => {
    const before = await appendMany("urn:before", 8);
    const handled: string[] = [];
    const consumer = start(async (ids) => void handled.push(...ids));
    expect(await consumer.reached(before.last, 5_000)).toBe(true);
    const after = await appendMany("urn:after", 8);
    consumer.wake();
    expect(await consumer.reached(after.last, 5_000)).toBe(true);
    expect(handled).toEqual([...before.ids, ...after.ids]);
  });

  test("tries a batch again whose handler throws, and keeps the order", async () => {
    const { ids, last } = await appendMany("urn:a", 5);
    const handled: string[] = [];
    let failures = 0;
    const consumer = start(async (batch) => {
      if (batch.includes("urn:a:3") && failures < 2) {
        failures += 1;
        throw new Error("not yet");
      }
      handled.push(...batch);
    });
    expect(await consumer.reached(last, 10_000)).toBe(true);
    expect(failures).toBe(2);
    expect(handled).toEqual(ids);
  });

  test("says so when a position is not reached in time", async () => {
    const consumer = start(async () => {
      throw new Error("never");
    });
    const position = await append("urn:x");
    expect(await consumer.reached(position, 200)).toBe(false);
  });

  test("goes on where it stopped", async () => {
    const handled: string[] = [];
    const first = await appendMany("urn:first", 2);
    const consumer = start(async (ids) => void handled.push(...ids));
    await consumer.reached(first.last, 5_000);
    await consumer.stop();
    const second = await appendMany("urn:second", 2);
    const successor = start(async (ids) => void handled.push(...ids));
    await successor.reached(second.last, 5_000);
    expect(handled).toEqual([...first.ids, ...second.ids]);
  });
});

describe("the epoch", () => {
  const rows = () => readJournal(db.orm, journalStart, 1_000);
  /** All rows, once there are so many: transactions in other databases of the server hold rows back for a moment. */
  const allRows = async (count: number) => {
    await expect.poll(async () => (await rows()).length).toBe(count);
    return rows();
  };
  const consume = async (handled: string[], count: number) => {
    while (handled.length < count) {
      await consumeBatch(db.orm, "c", 1_000, async (batch) => void handled.push(...idsOf(batch)));
    }
  };

  test("stays while the database does", async () => {
    const epoch = await establishEpoch(db.orm);
    await appendMany("urn:a", 3);
    expect(await establishEpoch(db.orm)).toBe(epoch);
  });

  test("is another one in another cluster; the journal's order stays and consumers start again", async () => {
    const epoch = await establishEpoch(db.orm);
    const { ids } = await appendMany("urn:a", 5);
    await consume([], ids.length);
    await db.orm.execute(sql`update registry set lineage = 'somewhere else'`);

    const restored = await establishEpoch(db.orm);
    expect(restored).not.toBe(epoch);
    expect(await establishEpoch(db.orm)).toBe(restored);
    expect(idsOf(await allRows(ids.length))).toEqual(ids);
    const next = await append("urn:next");
    const renumbered = await allRows(ids.length + 1);
    expect(idsOf(renumbered)).toEqual([...ids, "urn:next"]);
    expect(comparePositions(renumbered.at(-2) ?? journalStart, next)).toBeLessThan(0);

    const again: string[] = [];
    await consume(again, ids.length + 1);
    expect(again).toEqual([...ids, "urn:next"]);
  });

  test("is another one when the journal is ahead of the cluster, and its rows can be read again", async () => {
    const epoch = await establishEpoch(db.orm);
    const { ids } = await appendMany("urn:a", 5);
    // As after `pg_restore` into a younger cluster: transaction ids that have not been reached yet.
    await db.orm.execute(sql`update journal set xid = ((xid::text::bigint + 1000000000)::text)::xid8`);
    expect(await rows(), "rows of transactions to come are held back").toEqual([]);

    expect(await establishEpoch(db.orm)).not.toBe(epoch);
    await append("urn:next");
    expect(idsOf(await allRows(ids.length + 1))).toEqual([...ids, "urn:next"]);
  });

  test("leaves peers where they were in the journal, as far as its rows are there", async () => {
    await establishEpoch(db.orm);
    const ids = ["urn:a", "urn:b", "urn:c"];
    const places: JournalPosition[] = [];
    for (const id of ids) places.push(await append(id));
    const [first, second, last] = places as [JournalPosition, JournalPosition, JournalPosition];
    const sent: Record<string, JournalPosition | null> = {
      nothing: journalStart,
      second,
      between: { xid: second.xid, id: second.id + 1 },
      all: last,
      // Rows that were written after the copy was made.
      more: { xid: String(BigInt(last.xid) + 1_000n), id: last.id + 1_000 },
      // It follows nothing.
      none: null,
    };
    await db.orm.insert(peers).values(
      Object.entries(sent).map(([name, place]) => ({
        actor: `https://${name}.example/actor`,
        origin: `https://${name}.example`,
        inbox: `https://${name}.example/inbox`,
        created: new Date(),
        ...(place === null ? {} : { sentXid: place.xid, sentId: place.id }),
      })),
    );
    await db.orm.update(registry).set({ lineage: "somewhere else" });
    await establishEpoch(db.orm);

    const renumbered = await allRows(ids.length);
    const told = await db.orm.select({ origin: peers.origin, xid: peers.sentXid, id: peers.sentId }).from(peers);
    const left: Record<string, string[] | null> = {};
    for (const { origin, xid, id } of told) {
      const name = origin.slice("https://".length, -".example".length);
      left[name] = xid === null || id === null ? null : idsOf(await readJournal(db.orm, { xid, id }, 10));
    }
    expect(left).toEqual({ nothing: ids, second: ["urn:c"], between: ["urn:c"], all: [], more: [], none: null });
    expect(told.find(({ origin }) => origin.includes("nothing"))).toMatchObject(journalStart);
    expect(told.find(({ origin }) => origin.includes("all"))).toMatchObject({ id: renumbered.at(-1)?.id });
    expect(first.id).toBeLessThan(second.id);
  });

  test("is drawn also where the journal is empty", async () => {
    const epoch = await establishEpoch(db.orm);
    await db.orm.execute(sql`update registry set lineage = 'somewhere else'`);
    expect(await establishEpoch(db.orm)).not.toBe(epoch);
    await append("urn:x");
    expect(idsOf(await allRows(1))).toEqual(["urn:x"]);
  });
});
