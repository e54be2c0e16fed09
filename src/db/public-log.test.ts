import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { asc, sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, emptyTables } from "../../test/support/database.ts";
import { journalRow } from "../../test/support/journal-rows.ts";
import { type Did, digestOf } from "../base/ids.ts";
import { type Database, rowsOf } from "./client.ts";
import { appendToJournal, consumeBatch, establishEpoch, type NewJournalRow } from "./journal.ts";
import { createLogReader, extendLog, hashOfRecord, journalKinds, type LogEntry, logStart } from "./public-log.ts";
import { journal, logEntries } from "./schema/index.ts";

let db: Database;
let log: ReturnType<typeof createLogReader>;

beforeAll(async () => {
  db = await createTestDatabase();
  log = createLogReader(db.orm);
});

beforeEach(() => emptyTables(db));

afterAll(() => db.close());

/** Appends rows, each in a transaction of its own unless they come together. */
async function append(...transactions: NewJournalRow[][]): Promise<void> {
  for (const rows of transactions) {
    await db.orm.transaction(async (tx) => {
      for (const row of rows) await appendToJournal(tx, row);
    });
  }
}

const appendMany = (prefix: string, rows: number) =>
  append(...Array.from({ length: rows }, (_, index) => [journalRow(`${prefix}:${index}`)]));

const consume = (batchMax: number) => consumeBatch(db.orm, "public-log", batchMax, extendLog);

/**
 * Lets the log have the whole journal, in batches of these sizes, over and over. Transactions in other databases of the
 * server hold rows back for a moment.
 */
async function catchUp(...batches: number[]): Promise<void> {
  for (let round = 0; await isBehind(); round += 1) await consume(batches[round % batches.length] ?? 100);
}

async function isBehind(): Promise<boolean> {
  const [answer] = await rowsOf<{ behind: boolean }>(
    db.orm,
    sql`select exists (select from journal where (xid, id) > all (
          select xid, id from consumers where name = 'public-log')) as behind`,
  );
  return answer?.behind === true;
}

const entries = async () => (await log.readLog(0, 10_000)).entries;
const rewind = () => db.orm.execute(sql`delete from consumers`);

/** The journal's chain, computed without any code of the log. */
async function expectedHashes(): Promise<string[]> {
  const rows = await db.orm.select().from(journal).orderBy(asc(journal.xid), asc(journal.id));
  let hash = Buffer.alloc(32);
  return rows.map(({ at, controller, digest, kind, thingId: id }, index) => {
    // The members in alphabetical order, without white space: JCS, for texts without anything to escape.
    const record = JSON.stringify({ at: at.toISOString(), controller, digest, id, kind, seq: index + 1 });
    hash = createHash("sha256").update(hash).update(record).digest();
    return hash.toString("hex");
  });
}

describe("the public log", () => {
  test("numbers the journal's rows in their order and chains them", async () => {
    const digest = digestOf("a document");
    await append(
      [{ ...journalRow("urn:a"), digest, controller: "did:key:z6MkExample" as Did }, journalRow("urn:b")],
      [{ ...journalRow("urn:a"), kind: "retracted", at: new Date("2026-02-03T04:05:06.007Z"), digest }],
    );
    await catchUp(100);
    const read = await entries();
    expect(read.map(({ seq, id, kind }) => [seq, id, kind])).toEqual([
      [1, "urn:a", "created"],
      [2, "urn:b", "created"],
      [3, "urn:a", "retracted"],
    ]);
    expect(read[0]).toMatchObject({ controller: "did:key:z6MkExample", digest });
    expect(read[2]).toMatchObject({ controller: null, at: "2026-02-03T04:05:06.007Z" });
    expect(read.map(({ hash }) => hash)).toEqual(await expectedHashes());
    expect(await log.head()).toEqual({ seq: 3, hash: read[2]?.hash });
  });

  test("has a head before its first entry", async () => {
    expect(await log.head()).toEqual({ seq: 0, hash: "0".repeat(64) });
    expect(await log.readLog(0, 10)).toEqual({ entries: [], next: null });
  });

  test("is read in pages that say whether more follows", async () => {
    await appendMany("urn:a", 5);
    await catchUp(100);
    const pages: number[][] = [];
    for (let after: number | null = 0; after !== null;) {
      const page: { entries: LogEntry[]; next: number | null } = await log.readLog(after, 2);
      pages.push(page.entries.map(({ seq }) => seq));
      after = page.next;
    }
    expect(pages).toEqual([[1, 2], [3, 4], [5]]);
    expect((await log.readLog(3, 2)).next, "a full page at the end").toBeNull();
    expect((await log.readLog(5, 2)).entries).toEqual([]);
  });

  test("is the same whatever the batches, and however often its consumer starts again", async () => {
    const row = fc.record({
      kind: fc.constantFrom(...journalKinds),
      id: fc.webUrl({ withFragments: true, withQueryParameters: true }),
      controller: fc.option(fc.constantFrom("did:key:z6MkA", "did:web:example.org:ä")),
      document: fc.option(fc.string()),
      at: fc.date({ min: new Date(0), max: new Date("2200-01-01"), noInvalidDate: true }),
    });
    const transactions = fc.array(fc.array(row, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 });
    const step = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 5 }) }, fc.constant("rewind" as const));
    await fc.assert(
      fc.asyncProperty(transactions, fc.array(step, { maxLength: 8 }), async (groups, steps) => {
        await db.orm.execute(sql`truncate journal, log_entries, consumers`);
        const expected: string[] = [];
        let last = logStart.hash;
        for (const group of groups) {
          const rows = group.map(({ kind, id, controller, document, at }) => ({
            ...journalRow(id),
            at,
            kind,
            controller: controller as Did | null,
            digest: document === null ? null : digestOf(document),
          }));
          await append(rows);
          for (const { kind, thingId: id, controller, digest, at } of rows) {
            const seq = expected.length + 1;
            last = hashOfRecord(last, { seq, at: at.toISOString(), kind, controller, id, digest });
            expected.push(last);
          }
        }
        for (const one of steps) await (one === "rewind" ? rewind() : consume(one));
        await catchUp(7);
        expect((await entries()).map(({ hash }) => hash)).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });

  test("is as docs/log.md computes it", () => {
    const docs = readFileSync(fileURLToPath(new URL("../../docs/log.md", import.meta.url)), "utf8");
    const example = JSON.parse(/```json\n(.*?)```/s.exec(docs)?.[1] ?? "") as { entries: LogEntry[] };
    const forms = [...docs.matchAll(/^```\n(\{"at".*)\n```$/gm)].map(([, form = ""]) => form);
    expect([example.entries.length, forms.length]).toEqual([2, 2]);
    let last = logStart.hash;
    for (const [index, { hash, ...record }] of example.entries.entries()) {
      expect(JSON.parse(forms[index] ?? "")).toEqual(record);
      const computed = createHash("sha256")
        .update(Buffer.from(last, "hex"))
        .update(forms[index] ?? "");
      expect(hash).toBe(computed.digest("hex"));
      expect(hash).toBe(hashOfRecord(last, record));
      last = hash;
    }
    expect(docs).toContain(`"seq": 2,\n  "hash": "${last}"`);
  });
});

describe("a consumer that starts again", () => {
  test("adds nothing twice, and goes on where the log ends", async () => {
    await appendMany("urn:a", 7);
    await catchUp(3);
    const before = await entries();
    await rewind();
    await appendMany("urn:b", 2);
    await catchUp(2);
    expect((await entries()).slice(0, 7)).toEqual(before);
    expect((await entries()).map(({ hash }) => hash)).toEqual(await expectedHashes());
  });

  test.each([
    ["a row was changed", sql`update journal set thing_id = 'urn:other' where id = 3`],
    [
      "a row was put in between",
      sql`insert into journal (xid, id, at, kind, entry_key, thing_id, door)
        select xid, 0, at, 'created', entry_key, 'urn:inserted', door from journal where id = 3`,
    ],
    ["a row is missing", sql`delete from journal where id = 3`],
    ["a hash was changed", sql`update log_entries set hash = sha256(hash) where seq = 3`],
  ])("does not go on where %s", async (_, change) => {
    await appendMany("urn:a", 5);
    await catchUp(100);
    await db.orm.execute(change);
    await rewind();
    await expect(catchUp(100)).rejects.toThrow(/is not what the journal says/);
    expect(await isBehind()).toBe(true);
  });

  test("heals a log that has lost its end", async () => {
    await appendMany("urn:a", 5);
    await catchUp(100);
    const before = await entries();
    await db.orm.execute(sql`delete from log_entries where seq > 2`);
    await rewind();
    await catchUp(2);
    expect(await entries()).toEqual(before);
  });
});

test("a log that has lost its end is not continued with other numbers", async () => {
  await appendMany("urn:a", 5);
  await catchUp(100);
  await db.orm.execute(sql`delete from log_entries where seq > 2`);
  await append([journalRow("urn:next")]);
  await expect(catchUp(100)).rejects.toThrow(/delete the row `public-log` of `consumers`/);
  expect(await log.head()).toMatchObject({ seq: 2 });
});

describe("after a restoration into another cluster", () => {
  const restore = async () => {
    await db.orm.execute(sql`update registry set lineage = 'somewhere else'`);
    await establishEpoch(db.orm);
    // A transaction of the renumbering's own age holds its rows back until there is a younger one.
    await append([journalRow("urn:next")]);
  };

  test("the log is the same at once, and its consumer finds it so", async () => {
    await establishEpoch(db.orm);
    await append([journalRow("urn:a"), journalRow("urn:b")], [journalRow("urn:c")], [journalRow("urn:d")]);
    await catchUp(100);
    const before = await entries();
    await restore();
    expect(await entries(), "no reader sees it shrink").toEqual(before);
    await catchUp(2);
    expect((await entries()).slice(0, 4)).toEqual(before);
    expect((await entries()).map(({ hash }) => hash)).toEqual(await expectedHashes());
    expect(await log.head()).toMatchObject({ seq: 5 });
  });

  test("a log that was not restored is made anew with the same hashes", async () => {
    await establishEpoch(db.orm);
    await appendMany("urn:a", 4);
    await catchUp(100);
    const before = await entries();
    await db.orm.delete(logEntries);
    await restore();
    await catchUp(3);
    expect((await entries()).slice(0, 4)).toEqual(before);
  });
});
