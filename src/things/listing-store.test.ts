import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Digest, EntryKey } from "../base/ids.ts";
import type { Database } from "../db/client.ts";
import { listings, peers } from "../db/schema/index.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { digestNodeOf, listedDigestOf } from "./entry-digests.ts";
import { createListingStore, type Listing, type ListingStore } from "./listing-store.ts";

const now = new Date("2026-11-21T12:00:00Z");
const hash = (text: string) => createHash("sha256").update(text).digest("hex");
const listingOf = (name: string, change: Partial<Listing> = {}): Listing => ({
  key: hash(name) as EntryKey,
  digest: hash(`document of ${name}`) as Digest,
  objectId: `https://peer.example/entries/${hash(name)}`,
  path: ["https://peer.example"],
  refused: null,
  ...change,
});
const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);

let db: Database;
let store: ListingStore;
let peer: string;
let other: string;

beforeAll(async () => {
  db = await createTestDatabase();
  store = createListingStore(db.orm);
});
afterAll(() => db?.close());
beforeEach(async () => {
  await db.orm.delete(peers);
  const rows = await db.orm
    .insert(peers)
    .values(
      ["https://peer.example", "https://other.example"].map((origin) => ({
        origin,
        actor: `${origin}/actor`,
        inbox: `${origin}/inbox`,
        created: now,
      })),
    )
    .returning({ id: peers.id });
  [peer, other] = rows.map(({ id }) => id) as [string, string];
});

describe("what a peer lists", () => {
  test("is found by object and by entry, each peer's own", async () => {
    const [a, b] = [
      listingOf("a"),
      listingOf("b", { refused: "invalid-proof", path: ["https://x.example", "https://y.example"] }),
    ];
    await store.put(peer, [a, b], now);
    await store.put(other, [a], now);
    expect((await store.findByKeys(peer, [a.key, b.key])).sort(byKey)).toEqual([a, b].sort(byKey));
    expect(await store.findByObjects(peer, [b.objectId, "https://peer.example/none"])).toEqual([b]);
    expect(await store.findByKeys(other, [b.key])).toEqual([]);
    expect(await store.findByObjects(peer, [])).toEqual([]);
    expect(await store.count(peer)).toEqual({ entries: 2, refused: 1 });
    expect(await store.count(other)).toEqual({ entries: 1, refused: 0 });
  });

  test("takes the place of what it listed before; the last one of a key counts", async () => {
    await store.put(peer, [listingOf("a", { refused: "loop" })], now);
    const last = listingOf("a", {
      digest: hash("newer") as Digest,
      objectId: "https://peer.example/o",
      path: ["https://z.example"],
    });
    await store.put(peer, [listingOf("a", { refused: "loop" }), last], now);
    expect(await store.findByKeys(peer, [last.key])).toEqual([last]);
    await store.put(peer, [], now);
    expect(await store.count(peer)).toEqual({ entries: 1, refused: 0 });
  });

  test("is forgotten by key, or all of it", async () => {
    await store.put(peer, [listingOf("a"), listingOf("b"), listingOf("c")], now);
    await store.put(other, [listingOf("a")], now);
    await store.remove(peer, [listingOf("a").key]);
    expect(await store.count(peer)).toEqual({ entries: 2, refused: 0 });
    await store.removeAll(peer);
    expect(await store.count(peer)).toEqual({ entries: 0, refused: 0 });
    expect(await store.count(other)).toEqual({ entries: 1, refused: 0 });
  });

  test("goes with the peer", async () => {
    await store.put(peer, [listingOf("a")], now);
    await db.orm.delete(peers);
    expect(await db.orm.select().from(listings)).toEqual([]);
  });
});

describe("the digests", () => {
  test("are those of the tree over all listings, whatever there is", async () => {
    // Keys that share their first digits, so that small lists have deep trees, and the ends of ranges are met.
    const key = fc
      .tuple(
        fc.constantFrom("", "0", "a", "ab", "abc", "f", "ff", "fff"),
        fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 }),
      )
      .map(([start, rest]) => (start + rest).slice(0, 64) as EntryKey);
    const lists = fc.uniqueArray(key, { minLength: 0, maxLength: 300, size: "max" });
    await fc.assert(
      fc.asyncProperty(lists, async (keys) => {
        await store.removeAll(peer);
        const listed = keys.map((one) =>
          listingOf("x", {
            key: one,
            digest: hash(one) as Digest,
            refused: one < "8" ? null : "loop",
            path:
              one < "b" ? ["https://peer.example"] : ["https://a.example", "https://ü.example", "https://peer.example"],
          }),
        );
        await store.put(peer, listed, now);
        await store.put(other, [listingOf("of another peer")], now);
        const sorted = listed
          .map(({ key: one, digest, path }) => ({ key: one, digest: listedDigestOf(digest, path.slice(0, -1)) }))
          .sort(byKey);
        for (const prefix of ["", "0", "a", "ab", "abc", "b", "f", "ff", "fff", "f".repeat(64), keys[0] ?? "1"]) {
          expect(await store.digests(peer, prefix)).toEqual(digestNodeOf(sorted, prefix));
        }
      }),
      { numRuns: 20 },
    );
  });

  test("of a long list are the same as well", async () => {
    const listed = Array.from({ length: 4_000 }, (_, index) => listingOf(String(index)));
    await store.put(peer, listed, now);
    const sorted = listed.map(({ key, digest }) => ({ key, digest })).sort(byKey);
    for (const prefix of ["", "0", "00", "a", "f", "ff"]) {
      expect(await store.digests(peer, prefix)).toEqual(digestNodeOf(sorted, prefix));
    }
  });
});
