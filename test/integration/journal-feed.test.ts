import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import type { Queryable } from "../../src/db/client.ts";
import { appendToJournal, type JournalPosition, journalStart } from "../../src/db/journal.ts";
import { createChangeEvents } from "../../src/http/events/change-events.ts";
import { createJournalFeed, type JournalFeed } from "../../src/http/events/journal-feed.ts";
import { Subscription } from "../../src/http/events/subscription.ts";
import { createAssessmentStore } from "../../src/things/assessment-store.ts";
import { createChangeReader } from "../../src/things/change-reader.ts";
import { createEntryReader } from "../../src/things/entry-store.ts";
import { createTestDatabase, emptyTables } from "../support/database.ts";
import { journalRow } from "../support/journal-rows.ts";
import { createSseParser } from "../support/sse-client.ts";

let db: Awaited<ReturnType<typeof createTestDatabase>>;
let feed: JournalFeed;
let queries = 0;

beforeAll(async () => {
  db = await createTestDatabase();
});

beforeEach(async () => {
  await emptyTables(db);
  queries = 0;
  const counted = new Proxy(db.orm, {
    get(target, name, receiver) {
      if (name === "select") queries += 1;
      return Reflect.get(target, name, receiver) as unknown;
    },
  }) as Queryable;
  const readers = {
    changes: createChangeReader(db.orm),
    entries: createEntryReader(db.orm),
    assessments: createAssessmentStore(db.orm),
  };
  feed = createJournalFeed({ db: counted, events: createChangeEvents({ epoch: "e", clock: systemClock, ...readers }) });
});

afterAll(() => db.close());

const subscribe = (position: JournalPosition, diff = false) =>
  new Subscription({ type: null, diff }, position, 100_000);

async function append(...ids: string[]): Promise<void> {
  for (const id of ids) feed.wake(await appendToJournal(db.orm, journalRow(id)));
}

/** The ids of the events that the subscription is given until there are `count`. */
async function given(subscription: Subscription, count: number): Promise<unknown[]> {
  const parser = createSseParser();
  while (parser.events.length < count && (await subscription.wait(5_000))) {
    parser.push(String(subscription.take() ?? ""));
  }
  return parser.events.map(({ data }) => data["id"]);
}

describe("the feed", () => {
  test("reads nothing while nobody listens, and stops reading when the last one leaves", async () => {
    await append("urn:a", "urn:b");
    expect(queries).toBe(0);
    const subscription = subscribe(journalStart);
    expect(feed.join(subscription)).toBe(true);
    expect(await given(subscription, 2)).toEqual(["urn:a", "urn:b"]);
    feed.leave(subscription);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = queries;
    await append("urn:c");
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(queries).toBe(before);

    const next = subscribe(subscription.position);
    expect(feed.join(next)).toBe(true);
    expect(await given(next, 1)).toEqual(["urn:c"]);
    await feed.stop();
  });

  test("takes nobody in whose place it has passed, since what lies between would be lost", async () => {
    const ahead = subscribe(journalStart);
    feed.join(ahead);
    await append("urn:a");
    await given(ahead, 1);
    const behind = subscribe(journalStart);
    expect(feed.join(behind)).toBe(false);
    behind.advanceTo(ahead.position);
    expect(feed.join(behind)).toBe(true);
    await append("urn:b");
    expect(await given(behind, 1)).toEqual(["urn:b"]);
    await feed.stop();
  });

  test("gives nobody what it has been given by other means, wherever the feed itself is", async () => {
    const slow = subscribe(journalStart);
    const early = subscribe(await appendToJournal(db.orm, journalRow("urn:a")));
    // The feed starts at the one, and the other is ahead of it.
    feed.join(slow);
    feed.join(early);
    await append("urn:b");
    expect(await given(slow, 2)).toEqual(["urn:a", "urn:b"]);
    expect(await given(early, 1)).toEqual(["urn:b"]);
    await feed.stop();
  });

  test("serves readers with and without diffs side by side, who come and go", async () => {
    const ids = Array.from({ length: 100 }, (_, index) => `urn:${index}`);
    const plain = subscribe(journalStart);
    feed.join(plain);
    const appending = append(...ids);
    const diff = subscribe(journalStart, true);
    while (!feed.join(diff)) diff.advanceTo(plain.position);
    const fromThen = given(diff, 1);
    expect(await given(plain, 100)).toEqual(ids);
    await appending;
    const got = await fromThen;
    expect(ids).toContain(got[0]);
    await feed.stop();
  });
});
