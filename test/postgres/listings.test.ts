import { eq, sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Admission } from "../../src/admission/admission.ts";
import { Problem } from "../../src/base/problem.ts";
import { type Database, rowsOf } from "../../src/db/client.ts";
import { entries, peers } from "../../src/db/schema/index.ts";
import { addPeer, admissionTo, keyOf, listingOf, submissionOf, type TestPeer } from "../support/admission.ts";
import { createTestDatabase, emptyTables } from "../support/database.ts";
import { newKey, type SignedTd, signedTd } from "../support/descriptions.ts";
import { seededRandom } from "../support/random.ts";

// Two nodes that share a database. What holds an entry depends on rows that several of them write at once.
let db: Database;
let nodes: [Admission, Admission];
let peersOfTest: [TestPeer, TestPeer];

beforeAll(async () => {
  db = await createTestDatabase();
  nodes = [admissionTo(db), admissionTo(db)];
});
afterAll(() => db?.close());
beforeEach(async () => {
  await emptyTables(db);
  peersOfTest = [await addPeer(db, "https://one.example"), await addPeer(db, "https://two.example")];
});

const documentsOf = (count: number, key = newKey()): SignedTd[] =>
  Array.from({ length: count }, () => signedTd({ key }));

/** Entries that are active without a listing that holds them, or unlisted with one. */
async function misplaced(): Promise<string[]> {
  const rows = await rowsOf<{ thing_id: string }>(
    db.orm,
    sql`select thing_id from entries
        where door = 'inbox' and (state = 'active') <> exists (
          select from listings join peers on peers.id = listings.peer
          where listings.key = entries.key and not blocked and following = 'accepted' and refused is null)`,
  );
  return rows.map((row) => row.thing_id);
}

test("lists and withdrawals of two peers at once leave each entry in line with what holds it", async () => {
  const random = seededRandom(11);
  const documents = documentsOf(40);
  const shuffled = () => documents.toSorted(() => random() - 0.5).slice(0, 10 + Math.floor(random() * 20));
  await nodes[0].publishAll(documents.map((document) => submissionOf(document, "inbox", peersOfTest[0].origin)));
  await nodes[0].list(
    peersOfTest[0].id,
    documents.map((document) => listingOf(peersOfTest[0], document)),
  );
  for (let round = 0; round < 15; round += 1) {
    await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const [peer, node] = [peersOfTest[index % 2] as TestPeer, nodes[index % 2] as Admission];
        const some = shuffled();
        if (random() < 0.5) {
          await node.list(
            peer.id,
            some.map((document) => listingOf(peer, document)),
          );
        } else await node.withdraw(peer.id, some.map(keyOf));
      }),
    );
    expect(await misplaced()).toEqual([]);
  }
});

test("a peer that is blocked while its listings come in has nothing here afterwards", async () => {
  const [peer, other] = peersOfTest;
  for (let round = 0; round < 10; round += 1) {
    const documents = documentsOf(30);
    const coming = documents.map(async (document, index) => {
      const node = nodes[index % 2] as Admission;
      await node.publish(submissionOf(document, "inbox", peer.origin));
      await node.list(peer.id, [listingOf(peer, document)]);
      if (index % 3 === 0) await node.list(other.id, [listingOf(other, document)]);
    });
    const blocking = (async () => {
      await coming[round];
      await db.orm.update(peers).set({ blocked: true }).where(eq(peers.id, peer.id));
      await nodes[1].reassess(peer.id);
    })();
    await Promise.all([...coming, blocking]);
    expect(await misplaced()).toEqual([]);
    await db.orm.update(peers).set({ blocked: false }).where(eq(peers.id, peer.id));
    await nodes[0].reassess(peer.id);
    expect(await misplaced()).toEqual([]);
  }
});

test("a registration here is not lost to a newer version that a peer sends at the same time", async () => {
  const [peer] = peersOfTest;
  for (let round = 0; round < 60; round += 1) {
    const key = newKey();
    const document = signedTd({ key, created: new Date(Date.now() - 60_000) });
    const newer = signedTd({ key, members: { id: document.id, title: "Newer" } });
    await nodes[0].publish(submissionOf(document, "inbox", peer.origin));
    const [adopted] = await Promise.all([
      nodes[0].publish(submissionOf(document)).catch((error: unknown) => error),
      nodes[1].publish(submissionOf(newer, "inbox", peer.origin)),
    ]);
    const [entry] = await db.orm
      .select()
      .from(entries)
      .where(eq(entries.key, keyOf(document)));
    // Either it was registered first, and stays so, or its version was old by then.
    expect(entry?.door).toBe(adopted instanceof Problem ? "inbox" : "http");
  }
});

test("batches with the same new documents, in any order, make each of them once", async () => {
  const random = seededRandom(3);
  for (let round = 0; round < 8; round += 1) {
    const documents = documentsOf(40);
    const rivals = documents.map(({ id }) => signedTd({ members: { id } }));
    const results = await Promise.all(
      [documents, documents, rivals, documents].map((batch, index) =>
        (nodes[index % 2] as Admission).publishAll(
          batch.toSorted(() => random() - 0.5).map((one) => submissionOf(one, "inbox", peersOfTest[0].origin)),
        ),
      ),
    );
    const outcomes = results.flat().map((result) => (result instanceof Problem ? result.type : result.outcome));
    expect(outcomes.filter((outcome) => outcome === "created")).toHaveLength(80);
    expect(outcomes.filter((outcome) => outcome === "unchanged")).toHaveLength(80);
    const rows = await db.orm.select({ isPrimary: entries.isPrimary }).from(entries);
    expect(rows.filter(({ isPrimary }) => isPrimary)).toHaveLength((round + 1) * 40);
  }
});
