import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Admission } from "../../src/admission/admission.ts";
import {
  indexerNameOf,
  isNearlyUpToDate,
  searchChangesOf,
  startIndexer,
  startOutsideIndexer,
} from "../../src/admission/indexer.ts";
import { rebuildBeside } from "../../src/admission/reindex.ts";
import { limits } from "../../src/base/limits.ts";
import type { Database } from "../../src/db/client.ts";
import type { Consumer } from "../../src/db/consumer.ts";
import { readBacklog, readCheckpoint, rewindConsumer } from "../../src/db/journal.ts";
import { consumeBatchOutside } from "../../src/db/outside-batch.ts";
import { createFallbackSearch } from "../../src/search/fallback.ts";
import { createMeilisearch, type MeilisearchEngine } from "../../src/search/meilisearch/meilisearch.ts";
import { createPostgresSearch } from "../../src/search/postgres.ts";
import type { SearchEngine } from "../../src/search/port.ts";
import { admissionTo, keyOf, submissionOf } from "../support/admission.ts";
import { type MovableClock, movableClock } from "../support/clock.ts";
import { createTestDatabase, emptyTables } from "../support/database.ts";
import { newKey, type SignedTd, signedTd, signedTombstone } from "../support/descriptions.ts";
import { journalSettled } from "../support/journal-rows.ts";
import { type MeilisearchStandIn, startMeilisearchStandIn } from "../support/meilisearch-server.ts";
import { searchFor } from "../support/search.ts";

/** On a Postgres server, transactions in other databases hold rows of the journal back for a while. */
const soon = { timeout: 20_000 };
const uid = "thingstead-test";
const consumerName = "search-meilisearch";

let db: Database;
let admission: Admission;
let postgres: SearchEngine;
let standIn: MeilisearchStandIn;
let engine: MeilisearchEngine;
let clock: MovableClock;
let running: Consumer[];

beforeAll(async () => {
  db = await createTestDatabase();
  admission = admissionTo(db);
  postgres = createPostgresSearch({ db: db.orm });
});
beforeEach(async () => {
  await emptyTables(db);
  standIn = await startMeilisearchStandIn();
  engine = engineAt(uid);
  clock = movableClock();
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((consumer) => consumer.stop()));
  await standIn[Symbol.asyncDispose]();
});
afterAll(() => db.close());

function engineAt(indexUid: string): MeilisearchEngine {
  return createMeilisearch({ server: { url: standIn.url, apiKey: null }, uid: indexUid, catalogue: postgres });
}

function startIndexing(): Consumer {
  const consumer = startOutsideIndexer({ db: db.orm, engine, clock, holder: randomUUID() });
  running.push(consumer);
  return consumer;
}

/** One batch, as the running indexer handles it. */
function indexOnce(handle?: (write: () => Promise<void>) => Promise<void>) {
  return consumeBatchOutside({
    name: consumerName,
    db: db.orm,
    clock,
    holder: randomUUID(),
    batchMax: 100,
    prepare: () => engine.prepare(async () => {}),
    async handle(rows, signal) {
      const write = async () => engine.write(await searchChangesOf(rows, db.orm, clock.now()), signal);
      await (handle === undefined ? write() : handle(write));
    },
  });
}

async function publish(title: string, key = newKey(), id?: string): Promise<SignedTd> {
  const document = signedTd({ key, members: { title, actions: {}, ...(id === undefined ? {} : { id }) } });
  await admission.publish(submissionOf(document));
  return document;
}

/** Keys of entries that the server has. */
function indexed(indexUid = uid): string[] {
  return [...(standIn.indexes.get(indexUid)?.documents.keys() ?? [])].filter((key) => key !== "marker").toSorted();
}

const isCaughtUp = async () => {
  await journalSettled(db.orm);
  return (await readBacklog(db.orm, consumerName, 1)).rows === 0;
};
const found = async (words: string, search: SearchEngine = engine) =>
  (await search.search(searchFor(words), clock.now())).hits.map(({ key }) => key as string);

describe("the index on the server", () => {
  test("follows what is registered, changed and retracted", async () => {
    const consumer = startIndexing();
    const key = newKey();
    const first = await publish("Weather", key);
    await publish("Hotel");
    consumer.wake();
    await expect.poll(() => found("weather").catch(() => []), soon).toEqual([keyOf(first)]);

    await publish("Router", key, first.id);
    consumer.wake();
    await expect.poll(() => found("router"), soon).toEqual([keyOf(first)]);
    expect(await found("weather")).toEqual([]);

    await admission.publish(submissionOf(signedTombstone(first.id, key, new Date(Date.now() + 1_000))));
    consumer.wake();
    await expect.poll(() => found("router"), soon).toEqual([]);
    expect(indexed()).toHaveLength(1);
  });

  test("has our settings, and gets them back where they were changed", async () => {
    await engine.prepare(async () => {});
    const settings = standIn.indexes.get(uid)?.settings;
    expect(settings?.rankingRules.at(-1)).toBe("sequence:desc");
    expect(settings?.filterableAttributes).toContain("filters");
    if (settings !== undefined) settings.filterableAttributes = [];
    await engineAt(uid).prepare(async () => {
      throw new Error("nothing was lost");
    });
    expect(standIn.indexes.get(uid)?.settings.filterableAttributes).toContain("filters");
    const count = standIn.requests.length;
    await engineAt(uid).prepare(async () => {});
    expect(standIn.requests.slice(count)).not.toContain(`PATCH /indexes/${uid}/settings`);
  });

  test("is filled anew after the server has lost its data", async () => {
    const consumer = startIndexing();
    const document = await publish("Weather");
    consumer.wake();
    await expect.poll(isCaughtUp, soon).toBe(true);
    standIn.lose();
    await publish("Hotel");
    consumer.wake();
    await expect.poll(() => indexed().length, soon).toBe(2);
    expect(await found("weather")).toEqual([keyOf(document)]);
  });

  test("is filled anew where another version has filled it", async () => {
    await publish("Weather");
    await journalSettled(db.orm);
    while (!(await isCaughtUp())) await indexOnce();
    standIn.indexes.get(uid)?.documents.set("marker", { key: "marker", sequence: 0, expires: 0 });
    let isRewound = false;
    await engineAt(uid).prepare(async () => {
      isRewound = true;
      expect(indexed()).toEqual([]);
    });
    expect(isRewound).toBe(true);
  });

  test("is written by one of several processes at a time", async () => {
    await publish("Weather");
    await journalSettled(db.orm);
    let writers = 0;
    let most = 0;
    const slowly = async (write: () => Promise<void>) => {
      writers += 1;
      most = Math.max(most, writers);
      await write();
      await write();
      writers -= 1;
    };
    const batches = await Promise.all([indexOnce(slowly), indexOnce(slowly), indexOnce(slowly)]);
    expect(most).toBe(1);
    expect(batches.map(({ rows }) => rows).toSorted()).toEqual([0, 0, 1]);
  });
});

describe("the checkpoint", () => {
  test("stays until the server has done its task, so that a crash in between loses nothing", async () => {
    const document = await publish("Weather");
    await journalSettled(db.orm);
    await expect(
      indexOnce(async (write) => {
        await write();
        throw new Error("as if killed");
      }),
    ).rejects.toThrow("as if killed");
    expect(await isCaughtUp()).toBe(false);
    await indexOnce();
    expect(await isCaughtUp()).toBe(true);
    expect(indexed()).toEqual([keyOf(document)]);
  });

  test("does not move past a task that failed", async () => {
    const document = await publish("Weather");
    await journalSettled(db.orm);
    await engine.prepare(async () => {});
    standIn.failingTask = () => ({ code: "no_space_left_on_device", type: "system" });
    await expect(indexOnce()).rejects.toThrow("no_space_left_on_device");
    expect(await isCaughtUp()).toBe(false);
    standIn.failingTask = () => null;
    await indexOnce();
    expect(indexed()).toEqual([keyOf(document)]);
  });

  test("does not move where somebody has moved it meanwhile", async () => {
    await publish("Weather");
    await journalSettled(db.orm);
    await indexOnce();
    await publish("Hotel");
    await journalSettled(db.orm);
    await indexOnce(async (write) => {
      await write();
      await rewindConsumer(db.orm, consumerName);
    });
    expect(await readCheckpoint(db.orm, consumerName)).toEqual({ xid: "0", id: 0 });
  });

  test("moves past an entry that the server refuses for good, and the others are found", async () => {
    const documents = [];
    for (let index = 0; index < 5; index += 1) documents.push(await publish(`Weather ${index}`));
    const [refused] = documents as [SignedTd];
    await journalSettled(db.orm);
    standIn.failingTask = (_, sent) =>
      sent.some(({ key }) => key === keyOf(refused))
        ? { code: "invalid_document_fields", type: "invalid_request" }
        : null;
    await indexOnce();
    expect(await isCaughtUp()).toBe(true);
    expect(indexed()).toEqual(
      documents
        .slice(1)
        .map((document) => keyOf(document) as string)
        .toSorted(),
    );
  });
});

describe("while the server is down", () => {
  test("nobody else notices: entries are written, found by the database and listed", async () => {
    await standIn.stop();
    const meilisearchIndexer = startIndexing();
    const indexer = startIndexer({ db, engine: postgres, clock });
    running.push(indexer);
    const document = await publish("Weather");
    meilisearchIndexer.wake();
    indexer.wake();
    await expect.poll(() => found("weather", postgres), soon).toEqual([keyOf(document)]);
    expect(await isCaughtUp()).toBe(false);
    // And it is made up for.
    await standIn.start();
    await expect.poll(isCaughtUp, soon).toBe(true);
    expect(indexed()).toEqual([keyOf(document)]);
  });

  test("or busy, the indexing can be stopped at once", async () => {
    await engine.prepare(async () => {});
    standIn.isBusy = true;
    const consumer = startIndexing();
    await publish("Weather");
    consumer.wake();
    await expect.poll(() => standIn.requests, soon).toContain(`POST /indexes/${uid}/documents`);
    await consumer.stop();
    expect(await isCaughtUp()).toBe(false);
    standIn.isBusy = false;
    startIndexing();
    await expect.poll(isCaughtUp, soon).toBe(true);
  });

  test("no transaction stays open", async () => {
    await publish("Weather");
    await journalSettled(db.orm);
    await engine.prepare(async () => {});
    await indexOnce(async () => {
      // On one connection, this would wait for ever if the batch were a transaction; on several, the row would be held back.
      await publish("Hotel");
      await journalSettled(db.orm);
      expect((await readBacklog(db.orm, "another", 10)).rows).toBe(2);
    });
  });
});

describe("the stand-in for the server", () => {
  let search: SearchEngine;
  let isReady: boolean;

  beforeEach(async () => {
    isReady = true;
    search = createFallbackSearch({ preferred: engine, fallback: postgres, isReady: async () => isReady, clock });
    for (let index = 0; index < 8; index += 1) await publish(`Weather station ${index}`);
    const indexer = startIndexer({ db, engine: postgres, clock });
    running.push(indexer);
    await journalSettled(db.orm);
    indexer.wake();
    await expect.poll(async () => (await readBacklog(db.orm, indexerNameOf(postgres), 1)).rows, soon).toBe(0);
    while (!(await isCaughtUp())) await indexOnce();
  });

  const page = (words: string, cursor: string | null = null) =>
    search.search(searchFor(words, { limit: 3, cursor }), clock.now());

  test("is not asked while it answers", async () => {
    const { hits, degraded } = await page("weather");
    expect(hits).toHaveLength(3);
    expect(degraded).toBeUndefined();
  });

  test.each([
    ["refuses the connection", "stop"],
    ["breaks the connection", "break"],
    ["answers 500", 500],
    ["answers 503", 503],
    ["has lost its index", "lose"],
  ] as const)("answers where it %s, and says so", async (_, failure) => {
    if (failure === "stop") await standIn.stop();
    else if (failure === "lose") standIn.lose();
    else standIn.failing = () => failure;
    for (const words of ["weather", ""]) {
      const { hits, degraded } = await page(words);
      expect(hits).toHaveLength(3);
      expect(degraded).toEqual(["meilisearch"]);
    }
  });

  test("answers where it is too slow", async () => {
    standIn.failing = () => "hang";
    const { hits, degraded } = await page("weather");
    expect(hits).toHaveLength(3);
    expect(degraded).toEqual(["meilisearch"]);
  });

  test("goes on answering for five seconds, so that not every search waits", async () => {
    standIn.failing = () => 503;
    await page("weather");
    standIn.failing = () => null;
    const asked = standIn.requests.length;
    expect((await page("weather")).degraded).toEqual(["meilisearch"]);
    expect(standIn.requests.length).toBe(asked);
    clock.pass(5_000);
    expect((await page("weather")).degraded).toBeUndefined();
  });

  test("answers while changes wait too long, or the index was never filled", async () => {
    const isUpToDate = () => isNearlyUpToDate(db.orm, consumerName, clock.now());
    expect(await isUpToDate()).toBe(true);
    await publish("Late");
    await journalSettled(db.orm);
    expect(await isUpToDate()).toBe(true);
    clock.pass(10 * limits.searchLagMsMax);
    expect(await isUpToDate()).toBe(false);
    clock.pass(-10 * limits.searchLagMsMax);
    await rewindConsumer(db.orm, consumerName);
    expect(await isUpToDate()).toBe(false);
  });

  test("answers until the index has caught up", async () => {
    isReady = false;
    expect((await page("weather")).degraded).toEqual(["meilisearch"]);
    isReady = true;
    expect((await page("weather")).degraded).toBeUndefined();
  });

  test("goes on with pages in an order, in both directions", async () => {
    const whole = (await search.search(searchFor(""), clock.now())).hits.map(({ key }) => key);
    const first = await page("");
    await standIn.stop();
    const second = await page("", first.next);
    expect(second.degraded).toEqual(["meilisearch"]);
    await standIn.start();
    clock.pass(5_000);
    const third = await page("", second.next);
    expect(third.degraded).toBeUndefined();
    expect([...first.hits, ...second.hits, ...third.hits].map(({ key }) => key)).toEqual(whole);
  });

  test("says that it cannot go on with ranked pages of the server, and goes on with its own", async () => {
    const ofServer = await page("weather");
    await standIn.stop();
    await expect(page("weather", ofServer.next)).rejects.toMatchObject({
      type: "invalid-parameter",
      validationErrors: [{ field: "cursor" }],
      message: expect.stringContaining("meilisearch, which does not answer now"),
    });
    const own = await page("weather");
    await standIn.start();
    clock.pass(5_000);
    const second = await page("weather", own.next);
    expect(second.degraded).toEqual(["meilisearch"]);
    const keys = [...own.hits, ...second.hits].map(({ key }) => key);
    expect(new Set(keys).size).toBe(6);
    await expect(page("weather", "nonsense")).rejects.toMatchObject({ type: "invalid-parameter" });
    await expect(page("weather", "meilisearch.nonsense")).rejects.toMatchObject({ type: "invalid-parameter" });
    await expect(page("weather", "postgres.nonsense")).rejects.toMatchObject({ type: "invalid-parameter" });
  });

  test("does not hide what is wrong with a question", async () => {
    const query = searchFor("weather");
    query.filters.tag = Array.from({ length: limits.searchFilterValuesMax + 1 }, () => "a");
    await expect(search.search(query, clock.now())).rejects.toMatchObject({ type: "invalid-parameter" });
    expect((await page("weather")).degraded).toBeUndefined();
  });
});

describe("building the index anew", () => {
  const rebuild = (onProgress: (done: number, total: number) => void = () => {}) =>
    rebuildBeside({
      db: db.orm,
      engine,
      next: engineAt(`${uid}-next`),
      clock,
      holder: randomUUID(),
      onProgress,
    });

  test("fills one beside it, swaps them, and forgets the old one", async () => {
    const document = await publish("Weather");
    const key = newKey();
    const retracted = await publish("Hotel", key);
    await admission.publish(submissionOf(signedTombstone(retracted.id, key, new Date(Date.now() + 1_000))));
    await engine.prepare(async () => {});
    await engine.write([{ key: keyOf(retracted), document: null }]);
    standIn.indexes.get(uid)?.documents.set("ghost", { key: "ghost", title: ["Ghost"] });
    await journalSettled(db.orm);
    const progress: [number, number][] = [];
    await rebuild((done, total) => progress.push([done, total]));
    expect(indexed()).toEqual([keyOf(document)]);
    expect([...standIn.indexes.keys()]).toEqual([uid]);
    expect(progress.at(-1)).toEqual([2, 2]);
    expect(await found("weather")).toEqual([keyOf(document)]);
  });

  test("holds what was registered meanwhile, while searches and the registry's own indexing go on", async () => {
    const consumer = startIndexing();
    for (let index = 0; index < 5; index += 1) await publish(`Weather ${index}`);
    consumer.wake();
    await expect.poll(isCaughtUp, soon).toBe(true);
    const late: SignedTd[] = [];
    let searches = 0;
    // Between any two requests of the rebuilding something is registered and something is searched for.
    const rebuilding = rebuild();
    let isDone = false;
    void rebuilding.finally(() => (isDone = true));
    while (!isDone) {
      late.push(await publish(`Late ${late.length}`));
      consumer.wake();
      expect(await found("weather")).toHaveLength(5);
      searches += 1;
    }
    await rebuilding;
    expect(searches).toBeGreaterThan(0);
    await journalSettled(db.orm);
    await expect.poll(() => indexed().length, soon).toBe(5 + late.length);
    for (const document of late) expect(indexed()).toContain(keyOf(document));
  });

  test("leaves the index as it is where it is interrupted, and can begin again", async () => {
    const document = await publish("Weather");
    await journalSettled(db.orm);
    while (!(await isCaughtUp())) await indexOnce();
    const waiting = await publish("Hotel");
    await journalSettled(db.orm);
    standIn.failingTask = (type) => (type === "indexSwap" ? { code: "io_error", type: "system" } : null);
    await expect(rebuild()).rejects.toThrow("io_error");
    expect(await found("weather")).toEqual([keyOf(document)]);
    expect(await isCaughtUp(), "what the old index lacks is still to come").toBe(false);
    standIn.failingTask = () => null;
    await rebuild();
    expect(await isCaughtUp()).toBe(true);
    expect(indexed()).toEqual([keyOf(document), keyOf(waiting)].toSorted());
  });
});
