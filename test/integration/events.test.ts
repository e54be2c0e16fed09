import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createAdmission } from "../../src/admission/admission.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { limits } from "../../src/base/limits.ts";
import { comparePositions, parseCursor } from "../../src/db/journal.ts";
import { createDidResolver } from "../../src/identity/resolver.ts";
import { mergePatch } from "../../src/things/merge-patch.ts";
import { createDatabasePlace, createTestDatabase } from "../support/database.ts";
import { newKey, type SignedTd, signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import { refusingEgress } from "../support/egress.ts";
import { seededRandom } from "../support/random.ts";
import { adminToken, problemOf, startTestService, type TestService, thingPath } from "../support/service.ts";
import { openEvents, type SseClient, type SseEvent } from "../support/sse-client.ts";

const clients: SseClient[] = [];
let shared: TestService;

beforeAll(async () => {
  shared = await startTestService({ admission: "open" });
});

afterAll(() => shared.close());

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function listen(
  path: string,
  options: { lastEventId?: string; accept?: string; isPaused?: boolean; at?: TestService } = {},
): Promise<SseClient> {
  const { at = shared, ...rest } = options;
  const client = await openEvents(at.url + path, rest);
  clients.push(client);
  return client;
}

/** An unsigned description, as it is sent. */
function unsignedTd(members: JsonObject = {}): Pick<SignedTd, "id" | "text" | "json"> {
  const json = tdOf(members);
  return { id: String(json["id"]), text: JSON.stringify(json), json };
}

async function put(document: Pick<SignedTd, "id" | "text">, options: { token?: boolean; at?: TestService } = {}) {
  const headers: Record<string, string> = options.token === true ? { authorization: `Bearer ${adminToken}` } : {};
  const response = await (options.at ?? shared).put(document, headers);
  expect(response.status, await response.text()).toBeLessThan(300);
}

async function remove(id: string, at = shared): Promise<void> {
  const headers = { authorization: `Bearer ${adminToken}` };
  expect((await at.fetch(thingPath(id), { method: "DELETE", headers })).status).toBe(204);
}

const summary = (events: readonly SseEvent[]) => events.map(({ type, data }) => `${type} ${String(data["id"])}`);
const lastIdOf = (events: readonly SseEvent[]) => events.at(-1)?.id ?? "";

async function openStreams(at: TestService): Promise<number> {
  const text = await (await at.fetch("/metrics")).text();
  return Number(/^thingstead_event_streams (\d+)$/m.exec(text)?.[1]);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let waits = 0; waits < 500; waits += 1) {
    if (await holds()) return;
    await sleep(20);
  }
  throw new Error("it never came to hold");
}

/** Where the journal is: what an event that comes now has as its id. */
async function cursorNow(at = shared): Promise<string> {
  const client = await listen("/events", { at });
  await put(unsignedTd(), { at });
  const id = lastIdOf(await client.received(1));
  client.close();
  return id;
}

describe("an event stream", () => {
  test("tells of what is created, updated and deleted, with ids and nothing else", async () => {
    const client = await listen("/events");
    const key = newKey();
    const signed = signedTd({ key, created: new Date(Date.now() - 2_000) });
    await put(signed);
    await put(signedTd({ key, created: new Date(Date.now() - 1_000), members: { id: signed.id, title: "New" } }));
    await put(signedTombstone(signed.id, key));
    const unsigned = unsignedTd();
    await put(unsigned);
    await put({ ...unsigned, text: JSON.stringify({ ...unsigned.json, title: "New" }) });
    await remove(unsigned.id);

    const events = await client.received(6);
    expect(summary(events)).toEqual([
      `thing_created ${signed.id}`,
      `thing_updated ${signed.id}`,
      `thing_deleted ${signed.id}`,
      `thing_created ${unsigned.id}`,
      `thing_updated ${unsigned.id}`,
      `thing_deleted ${unsigned.id}`,
    ]);
    expect(events.map(({ data }) => Object.keys(data))).toEqual(events.map(() => ["id"]));
    const positions = events.map(({ id }) => parseCursor(id)?.position);
    for (const [index, position] of positions.entries()) {
      const next = positions[index + 1];
      if (position === undefined || next === undefined) continue;
      expect(comparePositions(position, next)).toBeLessThan(0);
    }
  });

  test("begins with its headers, and with nothing else until there is an event", async () => {
    const client = await listen("/events");
    expect(client.status).toBe(200);
    expect(client.headers).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    await sleep(300);
    expect([client.events, client.comments]).toEqual([[], []]);
    expect(limits.eventHeartbeatMs).toBeGreaterThanOrEqual(15_000);
  });

  test("of one type has only that", async () => {
    const created = await listen("/events/thing_created");
    const updated = await listen("/events/thing_updated");
    const deleted = await listen("/events/thing_deleted");
    const td = unsignedTd();
    await put(td);
    await put({ ...td, text: JSON.stringify({ ...td.json, title: "New" }) });
    await remove(td.id);
    expect(summary(await deleted.received(1))).toEqual([`thing_deleted ${td.id}`]);
    expect(summary(await updated.received(1))).toEqual([`thing_updated ${td.id}`]);
    expect(summary(await created.received(1))).toEqual([`thing_created ${td.id}`]);
  });

  test("is kept awake by comments that are no events, between which events come whole", async () => {
    await using service = await startTestService({ admission: "open" }, { events: { heartbeatMs: 40 } });
    await using client = await listen("/events", { at: service });
    await until(async () => client.comments.length >= 3);
    expect(client.events).toEqual([]);
    await put(unsignedTd(), { at: service });
    await client.received(1);
    const before = client.comments.length;
    await until(async () => client.comments.length > before);
    expect(client.comments.every((comment) => comment === "")).toBe(true);
  });

  test("ends in good order when the service stops, which does not wait for it", async () => {
    const service = await startTestService({ admission: "open" });
    const reading = await listen("/events", { at: service });
    const idle = await listen("/events?diff=true", { at: service });
    await put(unsignedTd(), { at: service });
    await reading.received(1);
    const started = performance.now();
    await service.close();
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(await Promise.all([reading.ended, idle.ended])).toEqual([true, true]);
  });
});

describe("a request for events", () => {
  test("by HEAD has the headers alone, and takes no place", async () => {
    const response = await shared.fetch("/events?diff=true", { method: "HEAD" });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(await response.text()).toBe("");
    expect((await shared.fetch("/events/thing_created", { method: "HEAD" })).status).toBe(200);
    expect((await shared.fetch("/events/thing_moved", { method: "HEAD" })).status).toBe(404);
    await until(async () => (await openStreams(shared)) === 0);
  });

  test.each([
    ["/events/thing_moved", {}, 404, "not-found"],
    ["/events?diff=yes", {}, 400, "invalid-parameter"],
    ["/events?difference=true", {}, 400, "invalid-parameter"],
    ["/events/thing_created?diff=", {}, 400, "invalid-parameter"],
    ["/events", { headers: { accept: "application/json" } }, 406, "not-acceptable"],
    ["/events", { method: "POST" }, 405, "method-not-allowed"],
    ["/events/thing_created", { method: "DELETE" }, 405, "method-not-allowed"],
  ])("%s %j is answered by %i %s", async (path, init, status, name) => {
    const response = await shared.fetch(path, init);
    expect([response.status, await problemOf(response)]).toEqual([status, name]);
    if (status === 405) expect(response.headers.get("allow")).toMatch(/^GET, HEAD\b/);
  });

  test("is refused where all places are taken, until one is free; idle clients all get an event", async () => {
    await using service = await startTestService({ admission: "open" });
    const open: SseClient[] = [];
    for (let count = 0; count < limits.eventClientsMax; count += 50) {
      open.push(...(await Promise.all(Array.from({ length: 50 }, () => listen("/events", { at: service })))));
    }
    expect(open.every(({ status }) => status === 200)).toBe(true);

    const refused = await service.fetch("/events");
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await problemOf(refused)).toBe("too-many-event-clients");
    expect((await service.fetch("/events", { method: "HEAD" })).status).toBe(200);

    const td = unsignedTd();
    await put(td, { at: service });
    const received = await Promise.all(open.map((client) => client.received(1)));
    expect(new Set(received.flatMap(summary))).toEqual(new Set([`thing_created ${td.id}`]));

    open[0]?.close();
    await until(async () => (await openStreams(service)) < limits.eventClientsMax);
    expect((await listen("/events", { at: service })).status).toBe(200);
    for (const client of open) client.close();
    await until(async () => (await openStreams(service)) === 1);
  });
});

describe("diff=true", () => {
  test("sends what is created as GET shows it, and changes as patches that lead to what GET shows", async () => {
    const client = await listen("/events?diff=true");
    const key = newKey();
    const first = signedTd({
      key,
      created: new Date(Date.now() - 2_000),
      members: { "ex:old": 1, tags: ["\u2028\n"] },
    });
    const second = signedTd({
      key,
      created: new Date(Date.now() - 1_000),
      members: { id: first.id, title: "New", actions: { constructor: { forms: [{ href: "https://a.example" }] } } },
    });
    // Contents are those of the moment at which an event is sent.
    await put(first);
    await client.received(1);
    await put(second);
    await client.received(2);
    await put(signedTombstone(first.id, key));
    const [created, updated, deleted] = await client.received(3);
    expect(created?.data).toEqual(first.json);
    expect(updated?.data).toMatchObject({ id: first.id, title: "New", "ex:old": null });
    expect(mergePatch(first.json, updated?.data as JsonObject)).toEqual(second.json);
    expect(deleted?.data).toEqual({ id: first.id });
  });

  test("has the registration of unsigned things", async () => {
    const client = await listen("/events?diff=true");
    const td = unsignedTd({ registration: { ttl: 1_000 } });
    const shown = async () => {
      const { registration, ...rest } = (await (await shared.fetch(thingPath(td.id))).json()) as JsonObject;
      const { retrieved: _, ...facts } = registration as JsonObject;
      return { ...rest, registration: facts };
    };
    await put(td);
    const [created] = await client.received(1);
    expect(created?.data).toEqual(await shown());
    const { registration: _, ...unlimited } = td.json;
    await put({ ...td, text: JSON.stringify({ ...unlimited, title: "New" }) });
    const [, updated] = await client.received(2);
    expect(mergePatch(created?.data as JsonObject, updated?.data as JsonObject)).toEqual(await shown());
    expect(JSON.stringify(updated?.data)).not.toContain("securityDefinitions");
  });

  test("has the id alone where no merge patch leads to what is there now", async () => {
    const client = await listen("/events/thing_updated?diff=true");
    const td = unsignedTd({ "ex:note": "some" });
    await put(td);
    await put({ ...td, text: JSON.stringify({ ...td.json, "ex:note": null }) });
    expect((await client.received(1)).map(({ data }) => data)).toEqual([{ id: td.id }]);
  });

  test("in a replay sends no content that is not shown any more, and ends at what is", async () => {
    const start = await cursorNow();
    const key = newKey();
    const versions = [3_000, 2_000, 1_000].map((ago, index) =>
      signedTd({
        key,
        created: new Date(Date.now() - ago),
        members: { id: "urn:example:replayed", title: `Title ${index}`, [`ex:secret${index}`]: `secret ${index}` },
      }),
    );
    for (const version of versions) await put(version);
    const client = await listen("/events?diff=true", { lastEventId: start });
    const [created, ...updates] = await client.received(3);
    expect(created?.data).toEqual(versions[2]?.json);
    expect(JSON.stringify(client.events)).not.toContain("secret 0");
    expect(JSON.stringify(client.events)).not.toContain("Title 1");
    let copy = versions[0]?.json ?? {};
    for (const { data } of updates) copy = mergePatch(copy, data as JsonObject);
    expect(copy).toEqual(versions[2]?.json);
    expect(mergePatch(created?.data as JsonObject, updates[1]?.data as JsonObject)).toEqual(versions[2]?.json);

    await put(signedTombstone("urn:example:replayed", key));
    const late = await listen("/events?diff=true", { lastEventId: start });
    expect((await late.received(4)).map(({ data }) => data)).toEqual(
      Array.from({ length: 4 }, () => ({ id: "urn:example:replayed" })),
    );
  });
});

describe("what readers may not see", () => {
  test("of an unlisted thing is all but its end, also in a replay; relisted, it is created again", async () => {
    const start = await cursorNow();
    const live = await listen("/events");
    const td = signedTd({ members: { title: "Unlisted" } });
    await put(td);
    await live.received(1);
    await remove(td.id);
    expect(summary(await live.received(2))).toEqual([`thing_created ${td.id}`, `thing_deleted ${td.id}`]);
    const late = await listen("/events?diff=true", { lastEventId: start });
    await put(unsignedTd({ id: "urn:example:marker" }));
    expect(summary(await late.received(2))).toEqual([`thing_deleted ${td.id}`, "thing_created urn:example:marker"]);
    await live.received(3);

    await put(td, { token: true });
    expect(summary(await live.received(4)).at(-1)).toBe(`thing_created ${td.id}`);
  });

  test("is the content of what has expired", async () => {
    let now = Date.now();
    await using service = await startTestService({ admission: "open" }, { clock: { now: () => new Date(now) } });
    const start = await cursorNow(service);
    const td = unsignedTd({ registration: { ttl: 60 } });
    await put(td, { at: service });
    now += 61_000;
    await using client = await listen("/events?diff=true", { lastEventId: start, at: service });
    const [created, expired] = await client.received(2);
    expect([created?.type, created?.data]).toEqual(["thing_created", { id: td.id }]);
    expect([expired?.type, expired?.data]).toEqual(["thing_deleted", { id: td.id }]);
  });

  test("is what a Tombstone ends that came before its thing", async () => {
    const client = await listen("/events");
    const key = newKey();
    await put(signedTombstone("urn:example:never", key, new Date(Date.now() - 2_000)));
    await put(signedTombstone("urn:example:never", key, new Date(Date.now() - 1_000)));
    await put(signedTd({ key, members: { id: "urn:example:never" } }));
    expect(summary(await client.received(1))).toEqual(["thing_created urn:example:never"]);
  });

  test("is another controller's entry of the same thing id", async () => {
    await using db = await createTestDatabase();
    await using service = await startTestService({}, { place: db.place, database: db });
    const clock = systemClock;
    const inbox = createAdmission({
      db,
      clock,
      resolver: createDidResolver({ egress: refusingEgress, clock, allowPrivateAddresses: true }),
      mode: "signed",
      origin: () => "https://registry.example",
      onAppend() {},
      onAdmission() {},
    });
    const admit = ({ id, text }: SignedTd) =>
      inbox.publish({
        door: "inbox",
        evidence: { token: null, signer: null },
        bytes: Buffer.from(text),
        target: [id],
        origin: "https://peer.example",
      });
    await using client = await listen("/events?diff=true", { at: service });
    await admit(signedTd({ members: { id: "urn:example:twice", title: "First" } }));
    await admit(signedTd({ members: { id: "urn:example:twice", title: "Second" } }));
    await admit(signedTd({ members: { id: "urn:example:other" } }));
    expect(summary(await client.received(2))).toEqual([
      "thing_created urn:example:twice",
      "thing_created urn:example:other",
    ]);
    expect(client.events[0]?.data["title"]).toBe("First");
  });
});

describe("Last-Event-ID", () => {
  test("brings what was missed and then what comes, each change once and in order, however often a client returns", async () => {
    const random = seededRandom(7);
    const start = await cursorNow();
    const ids = Array.from({ length: 300 }, (_, index) => `urn:example:storm:${index}`);
    let isWriting = true;
    const queue = [...ids];
    const writing = Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let id = queue.shift(); id !== undefined; id = queue.shift()) await put(unsignedTd({ id }));
      }),
    ).finally(() => (isWriting = false));

    const seen: SseEvent[] = [];
    let lastEventId = start;
    let visits = 0;
    while (isWriting || seen.length < ids.length) {
      const client = await openEvents(`${shared.url}/events`, { lastEventId });
      visits += 1;
      await client.received(Math.floor(random() * 12), 300).catch(() => {});
      if (random() < 0.5) await sleep(random() * 10);
      client.close();
      await client.ended;
      seen.push(...client.events);
      lastEventId = client.events.at(-1)?.id ?? lastEventId;
    }
    await writing;
    // How often depends on how many changes the database lets through at once.
    expect(visits).toBeGreaterThan(5);
    expect(seen.map(({ data }) => data["id"]).toSorted()).toEqual(ids.toSorted());

    const whole = await listen("/events", { lastEventId: start });
    expect(await whole.received(ids.length)).toEqual(seen);
    const rest = await listen("/events/thing_deleted", { lastEventId: start });
    await remove(ids[0] ?? "");
    expect(summary(await rest.received(1))).toEqual([`thing_deleted ${ids[0]}`]);
  });

  test("brings more than one batch, while the registry goes on", async () => {
    const start = await cursorNow();
    const td = unsignedTd({ id: "urn:example:often" });
    const write = async (from: number, to: number) => {
      for (let n = from; n < to; n += 1) await put({ ...td, text: JSON.stringify({ ...td.json, title: `T${n}` }) });
    };
    await write(0, 220);
    const writing = write(220, 250);
    const readers = await Promise.all(
      ["", "?diff=true"].map((query) => listen(`/events${query}`, { lastEventId: start })),
    );
    for (const reader of readers) {
      const events = await reader.received(250);
      expect(new Set(events.map(({ id }) => id)).size).toBe(250);
      expect(events.slice(1).every(({ type }) => type === "thing_updated")).toBe(true);
    }
    await writing;
  });

  test("that leads nowhere is answered by a gap, and then by what comes", async () => {
    const known = parseCursor(await cursorNow());
    const { xid, id } = known?.position ?? { xid: "", id: 0 };
    const cases = [
      ["no id at all", "malformed-id"],
      [`${known?.epoch}.${xid}`, "malformed-id"],
      [`00000000-0000-4000-8000-000000000000.${xid}.${id}`, "another-epoch"],
      [`${known?.epoch}.${BigInt(xid) + 1_000_000n}.${id + 1}`, "unknown-id"],
      [`${known?.epoch}.${xid}.${id + 1}`, "unknown-id"],
      [`${known?.epoch}.9999999999999999999.999999999999999`, "unknown-id"],
    ];
    for (const [lastEventId = "", reason] of cases) {
      const client = await listen("/events/thing_created", { lastEventId });
      const [gap] = await client.received(1);
      expect(gap, lastEventId).toMatchObject({ type: "gap", data: { reason } });
      expect(gap?.data["detail"]).toContain("GET /things");
      const td = unsignedTd();
      await put(td);
      expect(summary(await client.received(2)).at(-1)).toBe(`thing_created ${td.id}`);
      // The gap's own id is a place to go on from.
      const again = await listen("/events", { lastEventId: gap?.id ?? "" });
      expect(summary(await again.received(1))).toEqual([`thing_created ${td.id}`]);
    }
  });

  test("is where a client goes on that was there before anything happened", async () => {
    await using service = await startTestService({ admission: "open" });
    await using gapped = await listen("/events", { lastEventId: "?", at: service });
    const [gap] = await gapped.received(1);
    const td = unsignedTd();
    await put(td, { at: service });
    await using resumed = await listen("/events", { lastEventId: gap?.id ?? "", at: service });
    expect(summary(await resumed.received(1))).toEqual([`thing_created ${td.id}`]);
  });

  test("is good beyond a restart of the registry", async () => {
    await using place = await createDatabasePlace();
    const first = await startTestService({ admission: "open" }, { place });
    const start = await cursorNow(first);
    await put(unsignedTd({ id: "urn:example:missed" }), { at: first });
    await first.close();
    await using second = await startTestService({ admission: "open" }, { place });
    await put(unsignedTd({ id: "urn:example:next" }), { at: second });
    await using client = await listen("/events", { lastEventId: start, at: second });
    expect(summary(await client.received(2))).toEqual([
      "thing_created urn:example:missed",
      "thing_created urn:example:next",
    ]);
  });
});

describe("a client that does not read", () => {
  const events = 80;
  const big = (index: number) => unsignedTd({ id: `urn:example:big:${index}`, "ex:ballast": "x".repeat(200_000) });

  test("is dropped with the id to go on from, and misses nothing", async () => {
    await using service = await startTestService({ admission: "open" }, { events: { bufferBytesMax: 500_000 } });
    await using slow = await listen("/events?diff=true", { isPaused: true, at: service });
    await using fast = await listen("/events", { at: service });
    for (let index = 0; index < events; index += 1) await put(big(index), { at: service });
    expect(await fast.received(events)).toHaveLength(events);

    slow.resume();
    expect(await slow.ended).toBe(true);
    expect(slow.events.length).toBeGreaterThan(0);
    expect(slow.events.length).toBeLessThan(events);
    const resumeId = /Last-Event-ID: (\S+)$/.exec(slow.comments.at(-1) ?? "")?.[1];
    expect(resumeId).toBe(lastIdOf(slow.events));
    await using again = await listen("/events?diff=true", { lastEventId: resumeId ?? "", at: service });
    const rest = await again.received(events - slow.events.length);
    expect([...slow.events, ...rest].map(({ id }) => id)).toEqual(fast.events.map(({ id }) => id));
  });

  test("is cut off after a while, live or in a replay, and does not hold up the end of the service", async () => {
    await using place = await createDatabasePlace();
    const first = await startTestService({ admission: "open" }, { place, events: { stallMsMax: 500 } });
    const start = await cursorNow(first);
    const live = await listen("/events?diff=true", { isPaused: true, at: first });
    for (let index = 0; index < events; index += 1) await put(big(index), { at: first });
    const late = await listen("/events?diff=true", { isPaused: true, lastEventId: start, at: first });
    await until(async () => (await openStreams(first)) === 0);
    for (const client of [live, late]) {
      client.resume();
      expect(await client.ended).toBe(false);
    }
    await first.close();

    const second = await startTestService({ admission: "open" }, { place });
    const stuck = await listen("/events?diff=true", { isPaused: true, lastEventId: start, at: second });
    await sleep(500);
    const started = performance.now();
    await second.close();
    expect(performance.now() - started).toBeLessThan(4_000);
    stuck.resume();
    expect(await stuck.ended).toBe(false);
  });
});
