import { sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Database, openDatabase } from "../../src/db/client.ts";
import { appendToJournal } from "../../src/db/journal.ts";
import { createDatabasePlace, type DatabasePlace } from "../support/database.ts";
import { signedTd } from "../support/descriptions.ts";
import { journalRow } from "../support/journal-rows.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { openEvents, type SseEvent } from "../support/sse-client.ts";

// Two nodes on one database: what one of them writes, the clients of the other hear of.
let place: DatabasePlace;
let db: Database;
let one: TestService;
let two: TestService;

beforeAll(async () => {
  place = await createDatabasePlace();
  db = await openDatabase({ ...place.options, connectionsMax: 4 });
  one = await startTestService({ admission: "open" }, { place });
  two = await startTestService({ admission: "open" }, { place });
});

afterAll(async () => {
  await Promise.all([one.close(), two.close()]);
  await db.close();
  await place[Symbol.asyncDispose]();
});

const idsOf = (events: readonly SseEvent[]) => events.map(({ data }) => data["id"]);

test("a client of one node hears what is written at another, and resumes at either", async () => {
  await using client = await openEvents(`${two.url}/events?diff=true`);
  const first = signedTd();
  expect((await one.put(first)).status).toBe(201);
  const [created] = await client.received(1, 3_000);
  expect(created?.data).toEqual(first.json);

  const second = signedTd();
  expect((await two.put(second)).status).toBe(201);
  await using other = await openEvents(`${one.url}/events`, { lastEventId: created?.id ?? "" });
  expect(idsOf(await other.received(1))).toEqual([second.id]);
});

test("a change that commits late is told of, after what committed before it", async () => {
  await using client = await openEvents(`${one.url}/events`);
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>();
  const { promise: isWritten, resolve: written } = Promise.withResolvers<void>();
  const late = db.orm.transaction(async (tx) => {
    await appendToJournal(tx, journalRow("urn:example:late"));
    written();
    await mayCommit;
  });
  await isWritten;
  const early = signedTd();
  expect((await one.put(early)).status).toBe(201);
  // A client that comes now, while the first change is still under way, hears of it as well.
  await using newcomer = await openEvents(`${two.url}/events`);
  await expect(client.received(1, 1_000)).rejects.toThrow("0 events");
  commit();
  await late;
  expect(idsOf(await client.received(2))).toEqual(["urn:example:late", early.id]);
  expect(idsOf(await newcomer.received(2))).toEqual(["urn:example:late", early.id]);
});

test("with writers on both nodes and long transactions between, every client has each change once, in one order", async () => {
  const start = await openEvents(`${one.url}/events`);
  const marker = signedTd();
  await one.put(marker);
  const lastEventId = (await start.received(1))[0]?.id ?? "";
  await using live = await openEvents(`${two.url}/events`);
  const writers = 12;
  const perWriter = 10;
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let index = 0; index < perWriter; index += 1) {
        if (writer < 8) {
          expect((await (writer % 2 === 0 ? one : two).put(signedTd())).status).toBe(201);
        } else {
          await db.orm.transaction(async (tx) => {
            await appendToJournal(tx, journalRow(`urn:example:slow:${writer}:${index}`));
            await tx.execute(sql`select pg_sleep(${(index % 4) * 0.01})`);
          });
        }
      }
    }),
  );
  const total = writers * perWriter;
  const seen = await live.received(total);
  expect(new Set(idsOf(seen)).size).toBe(total);
  expect(await start.received(total + 1)).toHaveLength(total + 1);
  expect(start.events.slice(1)).toEqual(seen);
  await using replay = await openEvents(`${one.url}/events`, { lastEventId });
  expect(await replay.received(total)).toEqual(seen);
  start.close();
});
