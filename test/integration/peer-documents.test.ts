import { eq, sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Admission, AdmissionRecord } from "../../src/admission/admission.ts";
import { noEvidence, type Receipt } from "../../src/admission/stages.ts";
import type { ThingId } from "../../src/base/ids.ts";
import { Problem } from "../../src/base/problem.ts";
import type { Database } from "../../src/db/client.ts";
import type { JournalPosition } from "../../src/db/journal.ts";
import { entries, journal, listings, peers, versions } from "../../src/db/schema/index.ts";
import {
  addPeer,
  admissionTo,
  keyOf,
  listingOf,
  ownOrigin,
  receive,
  submissionOf,
  type TestPeer,
} from "../support/admission.ts";
import { type MovableClock, movableClock } from "../support/clock.ts";
import { createTestDatabase, emptyTables } from "../support/database.ts";
import { newKey, type SignedTd, signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import { startTestService, thingPath } from "../support/service.ts";

let db: Database & { place: Awaited<ReturnType<typeof createTestDatabase>>["place"] };
let clock: MovableClock;
let admission: Admission;
let peer: TestPeer;
let other: TestPeer;
let appended: JournalPosition[];
let records: AdmissionRecord[];

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db?.close());
beforeEach(async () => {
  await emptyTables(db);
  clock = movableClock(new Date(Date.now() - 60_000));
  appended = [];
  records = [];
  admission = admissionTo(db, {
    clock,
    onAppend: (position) => void appended.push(position),
    onAdmission: (record) => void records.push(record),
  });
  peer = await addPeer(db, "https://peer.example");
  other = await addPeer(db, "https://other.example");
});

/** Documents are signed one second after each other. */
function at(): Date {
  clock.pass(1_000);
  return clock.now();
}
const signed = (members = {}, key = newKey()): SignedTd => signedTd({ key, created: at(), members });
const next = (document: SignedTd, members = {}) => signed({ id: document.id, ...members }, document.key);
const fromPeer = (document: Pick<SignedTd, "id" | "text">, by = peer) => submissionOf(document, "inbox", by.origin);

async function entryOf(document: SignedTd) {
  const [entry] = await db.orm
    .select()
    .from(entries)
    .where(eq(entries.key, keyOf(document)));
  return entry;
}
async function kindsOf(document: SignedTd): Promise<string[]> {
  const rows = await db.orm
    .select({ kind: journal.kind })
    .from(journal)
    .where(eq(journal.entryKey, keyOf(document)))
    .orderBy(journal.xid, journal.id);
  return rows.map(({ kind }) => kind);
}
const problemOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "none",
    (error: unknown) => (error instanceof Problem ? error.type : String(error)),
  );
const outcomes = (results: readonly (Receipt | Problem)[]) =>
  results.map((result) => (result instanceof Problem ? result.type : result.outcome));

describe("a document from a peer", () => {
  test("is taken with its proof, and it is noted where it came from", async () => {
    const document = signed();
    const receipt = await receive(admission, peer, document);
    expect(receipt.outcome).toBe("created");
    expect(await entryOf(document)).toMatchObject({
      state: "active",
      door: "inbox",
      origin: peer.origin,
      ttlSeconds: null,
    });
    expect(appended).toEqual([receipt.position]);
  });

  test("is refused without a proof, in every mode", async () => {
    const td = tdOf();
    const unsigned = { id: String(td["id"]), text: JSON.stringify(td) };
    for (const mode of ["signed", "open", "token"] as const) {
      const taking = admissionTo(db, { clock, mode });
      expect(await problemOf(taking.publish(fromPeer(unsigned)))).toBe("proof-required");
    }
  });

  test("needs no token where writing needs one", async () => {
    const taking = admissionTo(db, { clock, mode: "token" });
    const document = signed();
    expect((await taking.publish(fromPeer(document))).outcome).toBe("created");
    expect(await problemOf(taking.publish(submissionOf(signed())))).toBe("token-required");
  });

  test("is refused where it was altered", async () => {
    const document = signed();
    const altered = { id: document.id, text: document.text.replace("Weather agent", "Weather spies") };
    expect(await problemOf(admission.publish(fromPeer(altered)))).toBe("invalid-proof");
    expect(await entryOf(document)).toBeUndefined();
  });

  test("that is a Tombstone wins against the entry that comes after it", async () => {
    const document = signed();
    const tombstone = signedTombstone(document.id, document.key, at());
    expect((await admission.publish(fromPeer(tombstone))).outcome).toBe("retracted");
    expect(await problemOf(admission.publish(fromPeer(document, other)))).toBe("version-not-newer");
    expect(await entryOf(document)).toMatchObject({ state: "retracted" });
  });

  test("that is an update is taken before what it updates, and an old version is not taken after it", async () => {
    const document = signed();
    const newer = next(document, { title: "Newer" });
    expect((await admission.publish(fromPeer(newer))).outcome).toBe("created");
    expect(await problemOf(admission.publish(fromPeer(document)))).toBe("version-not-newer");
    expect(await problemOf(admission.publish(fromPeer(document, other)))).toBe("version-not-newer");
    expect((await admission.publish(fromPeer(newer, other))).outcome).toBe("unchanged");
  });

  test("of another controller is kept apart from the first one's of the same thing id", async () => {
    const first = signed();
    await admission.publish(submissionOf(first));
    const rival = signed({ id: first.id });
    expect((await receive(admission, peer, rival)).outcome).toBe("created");
    expect(await entryOf(first)).toMatchObject({ isPrimary: true, state: "active" });
    expect(await entryOf(rival)).toMatchObject({ isPrimary: false, state: "active" });
  });

  test("runs out at the instant that it names, and not by a ttl, which is the origin's to keep", async () => {
    const leased = signed({ registration: { ttl: 5 } });
    await receive(admission, peer, leased);
    expect(await entryOf(leased)).toMatchObject({ expires: null, ttlSeconds: null });
    const expires = new Date(clock.now().getTime() + 60_000);
    const ending = signed({ registration: { ttl: 5, expires: expires.toISOString() } });
    await receive(admission, peer, ending);
    expect(await entryOf(ending)).toMatchObject({ expires, ttlSeconds: null });
  });

  test("that is a newer version of a registration here leaves it one, with its lease", async () => {
    const document = signed({ registration: { ttl: 600 } });
    await admission.publish(submissionOf(document));
    const before = await entryOf(document);
    const newer = next(document, { title: "Newer" });
    await receive(admission, peer, newer);
    const after = await entryOf(document);
    expect(after).toMatchObject({ door: "http", origin: null, expires: before?.expires, ttlSeconds: 600 });
    expect(after?.digest).not.toBe(before?.digest);
    const kept = await db.orm
      .select()
      .from(versions)
      .where(eq(versions.entryKey, keyOf(document)));
    expect(kept.map(({ origin }) => origin)).toEqual([null, peer.origin]);
    await admission.withdraw(peer.id, [keyOf(document)]);
    expect(await entryOf(document)).toMatchObject({ state: "active" });
  });
});

describe("an entry that came from a peer", () => {
  let document: SignedTd;
  beforeEach(async () => {
    document = signed();
    await receive(admission, peer, document);
  });
  const withdrawBy = (by: TestPeer) => admission.withdraw(by.id, [keyOf(document)]);

  test("goes when the peer withdraws it, and comes back when it lists it again", async () => {
    expect(await withdrawBy(peer)).toBe(1);
    expect(await entryOf(document)).toMatchObject({ state: "unlisted", unlistedBy: "origin" });
    expect(await withdrawBy(peer)).toBe(0);
    expect((await receive(admission, peer, document)).outcome).toBe("unchanged");
    expect(await entryOf(document)).toMatchObject({ state: "active", unlistedBy: null, origin: peer.origin });
    expect(await kindsOf(document)).toEqual(["created", "unlisted", "relisted"]);
    expect(appended).toHaveLength(3);
  });

  test("comes back by another peer that lists it, and is that one's then", async () => {
    await withdrawBy(peer);
    await receive(admission, other, document);
    expect(await entryOf(document)).toMatchObject({ state: "active", origin: other.origin });
  });

  test("stays while another peer lists it, which becomes its origin", async () => {
    await receive(admission, other, document);
    expect(await entryOf(document)).toMatchObject({ origin: peer.origin });
    expect(await withdrawBy(peer)).toBe(0);
    expect(await entryOf(document)).toMatchObject({ state: "active", origin: other.origin });
    expect(await withdrawBy(other)).toBe(1);
    expect(await kindsOf(document)).toEqual(["created", "updated", "unlisted"]);
  });

  test.each<[string, Partial<Parameters<typeof listingOf>[2]>, Partial<typeof peers.$inferInsert>]>([
    ["of a blocked peer", {}, { blocked: true }],
    ["of a peer that is not followed any more", {}, { following: "none" }],
    ["that was refused", { refused: "invalid-proof" }, { name: "Other" }],
    ["whose path leads through this registry", { path: [ownOrigin, "https://other.example"] }, { name: "Other" }],
  ])("is not held by a listing %s", async (_, listing, change) => {
    await db.orm.update(peers).set(change).where(eq(peers.id, other.id));
    await admission.list(other.id, [listingOf(other, document, listing)]);
    await withdrawBy(peer);
    expect(await entryOf(document)).toMatchObject({ state: "unlisted", unlistedBy: "origin" });
    await admission.list(other.id, [listingOf(other, document, listing)]);
    expect(await entryOf(document)).toMatchObject({ state: "unlisted" });
  });

  test("goes when its only listing is refused from now on", async () => {
    await admission.list(peer.id, [listingOf(peer, document, { refused: "invalid-proof" })]);
    expect(await entryOf(document)).toMatchObject({ state: "unlisted", unlistedBy: "origin" });
  });

  test("is registered here by whoever sends the same version in, and then stays", async () => {
    expect((await admission.publish(submissionOf(document))).outcome).toBe("updated");
    expect(await entryOf(document)).toMatchObject({ state: "active", door: "http", origin: null });
    expect(await kindsOf(document)).toEqual(["created", "updated"]);
    await withdrawBy(peer);
    expect(await entryOf(document)).toMatchObject({ state: "active", door: "http" });
    expect((await admission.publish(submissionOf(document))).outcome).toBe("unchanged");
  });

  test("takes up its lease when it is registered here", async () => {
    const leased = signed({ registration: { ttl: 600 } });
    await receive(admission, peer, leased);
    await admission.publish(submissionOf(leased));
    const expires = new Date(clock.now().getTime() + 600_000);
    expect(await entryOf(leased)).toMatchObject({ ttlSeconds: 600, expires });
  });

  test("comes back as a registration here after it was withdrawn", async () => {
    await withdrawBy(peer);
    await admission.publish(submissionOf(document));
    expect(await entryOf(document)).toMatchObject({ state: "active", unlistedBy: null, door: "http", origin: null });
  });

  test("does not come back by a peer once its controller has taken it out here", async () => {
    await admission.remove({
      door: "http",
      evidence: { ...noEvidence, signer: document.key.controller },
      thingId: document.id as ThingId,
    });
    await admission.list(peer.id, [listingOf(peer, document)]);
    await admission.reassess(peer.id);
    expect(await entryOf(document)).toMatchObject({ state: "unlisted", unlistedBy: "controller" });
  });

  test("does not come back after it has run out", async () => {
    const expires = new Date(clock.now().getTime() + 60_000);
    const ending = signed({ registration: { expires: expires.toISOString() } });
    await receive(admission, peer, ending);
    await admission.withdraw(peer.id, [keyOf(ending)]);
    clock.pass(120_000);
    await admission.list(peer.id, [listingOf(peer, ending)]);
    expect(await entryOf(ending)).toMatchObject({ state: "unlisted" });
  });
});

describe("a peer that is blocked", () => {
  test("takes its entries with it at once, however many, and brings them back when it is not any more", async () => {
    await using service = await startTestService({}, { place: db.place, database: db });
    const documents = Array.from({ length: 30 }, () => signed());
    await admission.publishAll(documents.map((document) => fromPeer(document)));
    await admission.list(
      peer.id,
      documents.map((document) => listingOf(peer, document)),
    );
    const [held, ...others] = documents as [SignedTd, ...SignedTd[]];
    await receive(admission, other, held);
    const found = async () => ((await (await service.fetch("/things")).json()) as unknown[]).length;
    expect(await found()).toBe(30);

    await db.orm.update(peers).set({ blocked: true }).where(eq(peers.id, peer.id));
    expect(await admission.reassess(peer.id)).toBe(others.length);
    expect(await found()).toBe(1);
    for (const { id } of others) expect((await service.request(thingPath(id))).status).toBe(404);
    expect(await entryOf(held)).toMatchObject({ state: "active", origin: other.origin });

    await db.orm.update(peers).set({ blocked: false }).where(eq(peers.id, peer.id));
    expect(await admission.reassess(peer.id)).toBe(others.length);
    expect(await found()).toBe(30);
    expect(await kindsOf(others[0] as SignedTd)).toEqual(["created", "unlisted", "relisted"]);
  });

  test("takes with it what came in just before, and nobody has listed yet", async () => {
    const document = signed();
    await admission.publish(fromPeer(document));
    expect(await admission.reassess(other.id)).toBe(0);
    expect(await admission.reassess(peer.id)).toBe(1);
  });
});

describe("a batch", () => {
  test("does what its documents do one after the other", async () => {
    const [known, retracted, apart] = [signed(), signed(), signed()];
    const newer = next(known, { title: "Newer" });
    await admission.publishAll([fromPeer(known), fromPeer(retracted)]);
    await admission.publish(submissionOf(apart));
    const fresh = signed();
    const freshNext = next(fresh, { title: "Next" });
    const td = tdOf();
    const batch = [
      fresh,
      known,
      { id: fresh.id, text: fresh.text.replace("Weather", "Winter") },
      newer,
      signedTombstone(retracted.id, retracted.key, at()),
      { id: String(td["id"]), text: JSON.stringify(td) },
      freshNext,
      signed({ id: apart.id }),
      fresh,
      known,
    ];
    records = [];
    const results = await admission.publishAll(batch.map((document) => fromPeer(document)));
    const expected = [
      "created",
      "unchanged",
      "invalid-proof",
      "updated",
      "retracted",
      "proof-required",
      "updated",
      "created",
      "version-not-newer",
      "version-not-newer",
    ];
    expect(outcomes(results)).toEqual(expected);
    expect(records.map(({ outcome }) => outcome)).toEqual(expected);
    expect(await entryOf(fresh)).toMatchObject({ versionCount: 2 });
    expect(await kindsOf(fresh)).toEqual(["created", "updated"]);
  });

  test("of new documents leaves what single ones leave", async () => {
    const documents = Array.from({ length: 12 }, (_, index) =>
      signed(
        index % 2 === 0 ? {} : { registration: { expires: new Date(clock.now().getTime() + 90_000).toISOString() } },
      ),
    );
    const all = documents.map((document) => fromPeer(document));
    const together = await admission.publishAll(all);
    const read = async () => ({
      entries: await db.orm
        .select({ row: sql`to_jsonb(entries) - 'sequence' - 'version_id'` })
        .from(entries)
        .orderBy(entries.key),
      versions: await db.orm
        .select({ row: sql`to_jsonb(versions) - 'id'` })
        .from(versions)
        .orderBy(versions.entryKey),
      journal: await db.orm
        .select({ row: sql`to_jsonb(journal) - 'xid' - 'id'` })
        .from(journal)
        .orderBy(journal.entryKey),
    });
    const batched = await read();
    const current = await db.orm
      .select({ document: versions.document })
      .from(entries)
      .innerJoin(versions, eq(versions.id, entries.versionId));
    expect(current.map(({ document }) => document).sort()).toEqual(documents.map(({ text }) => text).sort());
    await db.orm.execute(sql`truncate entries, versions, journal cascade`);
    const single = [];
    for (const submission of all) single.push(await admission.publish(submission));
    expect(await read()).toEqual(batched);
    const facts = ({ entry, outcome }: Receipt) => ({ entry, outcome });
    expect((together as Receipt[]).map(facts)).toEqual(single.map(facts));
    expect(await admission.publishAll([])).toEqual([]);
  });
});

test("what a peer lists goes with the peer", async () => {
  await receive(admission, peer, signed());
  await db.orm.delete(peers).where(eq(peers.id, peer.id));
  expect(await db.orm.select().from(listings)).toEqual([]);
});
