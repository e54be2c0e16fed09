import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  addPeer,
  admissionTo,
  keyOf,
  listingOf,
  ownOrigin,
  receive,
  submissionOf,
  type TestPeer,
} from "../../test/support/admission.ts";
import { type MovableClock, movableClock } from "../../test/support/clock.ts";
import { createTestDatabase, emptyTables } from "../../test/support/database.ts";
import { type SignedTd, signedTd, signedTombstone, tdOf } from "../../test/support/descriptions.ts";
import { journalSettled } from "../../test/support/journal-rows.ts";
import type { Admission } from "../admission/admission.ts";
import { matchesFilter } from "../admission/follow-filter.ts";
import { noEvidence } from "../admission/stages.ts";
import type { ThingId } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import type { Database } from "../db/client.ts";
import { appendToJournal, type JournalPosition, journalStart } from "../db/journal.ts";
import { type FollowFilter, journal, peers } from "../db/schema/index.ts";
import { digestNodeOf, listedDigestOf } from "./entry-digests.ts";
import type { SigningKey } from "../identity/keys.ts";
import { createOfferReader, type OfferReader } from "./offer-reader.ts";
import type { View } from "./offers.ts";

const everybody: View = { filter: null, to: null };
const only = (filter: Partial<FollowFilter>): View => ({
  filter: { capability: [], type: [], lang: [], ...filter },
  to: null,
});

let db: Database;
let clock: MovableClock;
let admission: Admission;
let reader: OfferReader;
let relaying: OfferReader;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db?.close());
beforeEach(async () => {
  await emptyTables(db);
  clock = movableClock(new Date(Date.now() - 60_000));
  admission = admissionTo(db, { clock, mode: "open" });
  reader = createOfferReader(db.orm, { origin: () => ownOrigin, relay: false, matches: matchesFilter });
  relaying = createOfferReader(db.orm, { origin: () => ownOrigin, relay: true, matches: matchesFilter });
});

/** A later version of a document: each one is signed a second after the one before. */
function signed(options: { key?: SigningKey; members?: JsonObject } = {}): SignedTd {
  clock.pass(1_000);
  return signedTd({ created: clock.now(), ...options });
}
const next = (document: SignedTd, members: JsonObject = {}) =>
  signed({ key: document.key, members: { id: document.id, ...members } });
const publish = (document: SignedTd) => admission.publish(submissionOf(document));
async function publishNew(members: JsonObject = {}): Promise<SignedTd> {
  const document = signed({ members });
  await publish(document);
  return document;
}
async function retract(document: SignedTd): Promise<SignedTd> {
  clock.pass(1_000);
  const tombstone = signedTombstone(document.id, document.key, clock.now());
  await publish(tombstone);
  return tombstone;
}
const actOf = ({ id, key }: SignedTd) => ({
  door: "http" as const,
  evidence: { ...noEvidence, signer: key.controller },
  thingId: id as ThingId,
});

/** All that a reader is told after `position`, in pages. */
async function read(view = everybody, by = reader, limit = 3, position: JournalPosition = journalStart) {
  await journalSettled(db.orm);
  const changes = [];
  for (let place = position; ;) {
    const page = await by.changesAfter(place, view, limit, clock.now());
    expect(page.changes.length).toBeLessThanOrEqual(limit);
    changes.push(...page.changes);
    place = page.position;
    if (page.atEnd) {
      expect(place).toEqual(await by.end());
      return changes;
    }
  }
}
const told = async (...args: Parameters<typeof read>) =>
  (await read(...args)).map((change) => (change.type === "offer" ? change.document : `withdrawn ${change.key}`));
const withdrawn = (document: SignedTd) => `withdrawn ${keyOf(document)}`;

describe("the list of entries", () => {
  test("has each signed entry as it is, in the order of the last changes, whatever the size of the pages", async () => {
    const [a, b, c] = [await publishNew(), await publishNew(), await publishNew()];
    const newer = next(a);
    await publish(newer);
    const tombstone = await retract(b);
    for (const limit of [1, 2, 3, 100]) {
      expect(await told(everybody, reader, limit)).toEqual([c.text, newer.text, tombstone.text]);
    }
    const [first, second] = await read();
    expect(first).toMatchObject({
      type: "offer",
      key: keyOf(c),
      thingId: c.id,
      controller: c.key.controller,
      kind: "description",
      path: [ownOrigin],
      isNew: true,
    });
    expect(second).toMatchObject({ key: keyOf(a), isNew: false });
    expect((await reader.offers([keyOf(b), keyOf(c)], everybody, clock.now())).length).toBe(2);
  });

  test("goes on after any place", async () => {
    await publishNew();
    await journalSettled(db.orm);
    const place = await reader.end();
    const later = await publishNew();
    expect(await told(everybody, reader, 3, place)).toEqual([later.text]);
  });

  test("does not tell of what a running transaction could still come before", async () => {
    const first = await publishNew();
    await journalSettled(db.orm);
    const [row] = await db.orm.select().from(journal);
    if (row === undefined) throw new Error("a row was journaled");
    await db.orm.transaction(async (tx) => {
      const { xid: _xid, id: _id, ...same } = row;
      await appendToJournal(tx, { ...same, kind: "updated" });
      // The row of this transaction is not below the bound: the one before it is still the last that counts.
      const inside = createOfferReader(tx, { origin: () => ownOrigin, relay: false, matches: matchesFilter });
      const { changes, position } = await inside.changesAfter(journalStart, everybody, 10, clock.now());
      expect(changes.map((change) => change.key)).toEqual([keyOf(first)]);
      expect(position).toEqual({ xid: row.xid, id: row.id });
    });
  });

  test("says nothing of unsigned entries, and of what was only found on the local network or came from peers", async () => {
    const peer = await addPeer(db, "https://peer.example");
    const td = tdOf();
    await admission.publish(submissionOf({ id: String(td["id"]), text: JSON.stringify(td) }));
    await admission.publish(submissionOf(signed(), "lan", "Lamp._wot._tcp.local"));
    await receive(admission, peer, signed());
    expect(await told()).toEqual([]);
  });

  test("withdraws what is unlisted, hidden or has run out, and offers it again when it is back", async () => {
    const [gone, hidden] = [await publishNew(), await publishNew()];
    const lapsing = await publishNew({ registration: { ttl: 60 } });
    await admission.remove(actOf(gone));
    await admission.chooseVisibility({ ...actOf(hidden), visibility: "by-id" });
    clock.pass(61_000);
    expect(await told()).toEqual([lapsing, gone, hidden].map(withdrawn));
    expect(await reader.offers([gone, hidden, lapsing].map(keyOf), everybody, clock.now())).toEqual([]);

    await admission.chooseVisibility({ ...actOf(hidden), visibility: "public" });
    await admission.renew({ ...actOf(lapsing), ttlSeconds: 3_600 });
    expect(await told()).toEqual([withdrawn(gone), hidden.text, lapsing.text]);
  });

  test("does not show the Tombstone of what only those found who knew its id", async () => {
    const hidden = await publishNew();
    await admission.chooseVisibility({ ...actOf(hidden), visibility: "by-id" });
    await retract(hidden);
    expect(await told()).toEqual([withdrawn(hidden)]);
  });

  test("withdraws a registration that has ended, although a peer lists the thing now", async () => {
    const peer = await addPeer(db, "https://peer.example");
    const lapsing = await publishNew({ registration: { ttl: 60 } });
    clock.pass(61_000);
    await receive(admission, peer, next(lapsing));
    expect(await told()).toEqual([withdrawn(lapsing)]);
  });

  test("leads past any number of rows that others have followed", async () => {
    const document = await publishNew();
    await journalSettled(db.orm);
    const [row] = await db.orm.select().from(journal);
    if (row === undefined) throw new Error("a row was journaled");
    const { xid: _xid, id: _id, ...same } = row;
    await db.orm
      .insert(journal)
      .values(Array.from({ length: 700 }, () => ({ ...same, kind: "verification" as const })));
    const last = await publishNew();
    expect(await told(everybody, reader, 1)).toEqual([document.text, last.text]);
  });

  test("keeps a page below a number of characters, but never empty", async () => {
    const description = "x".repeat(limits.documentBytesMax - 3_000);
    const documents = [];
    for (let count = 0; count < 10; count += 1) documents.push(await publishNew({ description }));
    await journalSettled(db.orm);
    const page = await reader.changesAfter(journalStart, everybody, 100, clock.now());
    const perPage = Math.floor(limits.entriesPageCharactersMax / (documents[0] as SignedTd).text.length);
    expect([page.changes.length, page.atEnd]).toEqual([perPage, false]);
    expect(await told(everybody, reader, 100)).toEqual(documents.map(({ text }) => text));
  });
});

describe("with relay", () => {
  test("has what a peer's listing holds, with the shortest way it came", async () => {
    const [peer, far] = [await addPeer(db, "https://peer.example"), await addPeer(db, "https://far.example")];
    const document = signed();
    await admission.publish(submissionOf(document, "inbox", far.origin));
    await admission.list(far.id, [listingOf(far, document, { path: ["https://start.example", far.origin] })]);
    const offered = () => relaying.offers([keyOf(document)], everybody, clock.now());
    expect(await offered()).toMatchObject([{ path: ["https://start.example", far.origin, ownOrigin] }]);
    await admission.list(peer.id, [listingOf(peer, document)]);
    expect(await offered()).toMatchObject([{ path: [peer.origin, ownOrigin] }]);
    expect(await told(everybody, relaying)).toEqual([document.text]);

    const to = (origin: string): View => ({ filter: null, to: origin });
    expect(await told(to(peer.origin), relaying), "what came through it").toEqual([]);
    expect(await told(to("https://start.example"), relaying)).toEqual([document.text]);

    await admission.withdraw(peer.id, [keyOf(document)]);
    await admission.withdraw(far.id, [keyOf(document)]);
    expect(await told(everybody, relaying)).toEqual([withdrawn(document)]);
  });

  test("tells of what came in with the way it came, from the instant that it is there", async () => {
    const [peer, other] = [await addPeer(db, "https://peer.example"), await addPeer(db, "https://other.example")];
    const arriving = (document: SignedTd, by = peer) => {
      const { objectId, path } = listingOf(by, document);
      return { ...submissionOf(document, "inbox", by.origin), listing: { peer: by.id, objectId, path } };
    };
    const way = (by: TestPeer) => [{ type: "offer", path: [by.origin, ownOrigin] }];
    const [alone, together] = [signed(), signed()];
    await admission.publish(arriving(alone));
    expect(await read(everybody, relaying)).toMatchObject(way(peer));
    let place = await relaying.end();
    await admission.publishAll([arriving(together)]);
    expect(await read(everybody, relaying, 3, place)).toMatchObject(way(peer));

    // A newer version that another peer brings is told to the one that still lists the older.
    place = await relaying.end();
    await admission.publishAll([arriving(next(together), other)]);
    expect(await read({ filter: null, to: peer.origin }, relaying, 3, place)).toMatchObject(way(other));
  });
});

describe("with a filter", () => {
  const weather = only({ capability: ["getWeather"] });
  const lights = (document?: SignedTd) => ({
    ...(document === undefined ? {} : { id: document.id }),
    actions: { switchLight: { forms: [{ href: "https://agent.example/light" }] } },
  });

  test("has what matches, withdraws what does not any more, and says nothing of what never did", async () => {
    const [kept, changed] = [await publishNew(), await publishNew()];
    const never = await publishNew(lights());
    await publish(next(changed, lights(changed)));
    await publish(next(never, lights(never)));
    expect(await told(weather)).toEqual([kept.text, withdrawn(changed)]);
    expect(await told(only({ capability: ["switch light"] }))).toHaveLength(2);
    await admission.remove(actOf(kept));
    await admission.remove(actOf(never));
    expect(await told(weather)).toEqual([withdrawn(changed), withdrawn(kept)]);
  });

  test("looks at what the thing was for its Tombstone, and lets through one of nothing", async () => {
    const [was, never] = [await publishNew(), await publishNew(lights())];
    const [tombstone] = [await retract(was), await retract(never)];
    const early = await retract({ ...was, id: "urn:example:early" });
    expect(await told(weather)).toEqual([tombstone.text, early.text]);
  });
});

describe("the digests", () => {
  test("are those of the tree over what is listed, with every view", async () => {
    const peer = await addPeer(db, "https://peer.example");
    const submissions = [];
    for (let count = 0; count < limits.digestEntriesMax + 16; count += 1) {
      submissions.push(submissionOf(signed({ members: { "@type": count % 2 === 0 ? "even" : "odd" } })));
    }
    await admission.publishAll(submissions);
    await retract(await publishNew());
    await admission.remove(actOf(await publishNew()));
    await receive(admission, peer, signed());
    await admission.publish(submissionOf(signed(), "lan", "Lamp._wot._tcp.local"));

    const views: View[] = [everybody, only({ type: ["even"] }), { filter: null, to: peer.origin }];
    for (const by of [reader, relaying]) {
      for (const view of views) {
        const listed = (await read(view, by, 100))
          .flatMap((change) => {
            if (change.type !== "offer") return [];
            return [{ key: change.key, digest: listedDigestOf(change.digest, change.path.slice(0, -1)) }];
          })
          .sort((a, b) => (a.key < b.key ? -1 : 1));
        expect(listed.length).toBeGreaterThan(30);
        for (const prefix of ["", "0", "a", "ff"]) {
          expect(await by.digests(prefix, view, clock.now())).toEqual(digestNodeOf(listed, prefix));
          // The answers of the filter are known by now.
          expect(await by.digests(prefix, view, clock.now())).toEqual(digestNodeOf(listed, prefix));
        }
      }
    }
    await db.orm.update(peers).set({ blocked: true }).where(eq(peers.id, peer.id));
    expect(await relaying.digests("", everybody, clock.now())).toEqual(
      await reader.digests("", everybody, clock.now()),
    );
  });
});
