import { sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Did } from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import { type Database, openDatabase, rowsOf } from "../../src/db/client.ts";
import { createRequestNonces } from "../../src/identity/request-nonces.ts";
import { createDatabasePlace, type DatabasePlace } from "../support/database.ts";
import { newKey, type SignedTd, signedTd } from "../support/descriptions.ts";
import { signedRequest, startTestService, type TestService, thingPath } from "../support/service.ts";

// Two nodes on one database: a signed request counts at one of them, once, however it comes.
let place: DatabasePlace;
let db: Database;
let nodes: TestService[];
let document: SignedTd;

const start = () => startTestService({ publicUrl: "https://registry.example" }, { place });

beforeAll(async () => {
  place = await createDatabasePlace();
  db = await openDatabase({ ...place.options, connectionsMax: 10 });
  nodes = [await start(), await start()];
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await db.close();
  await place[Symbol.asyncDispose]();
});

beforeEach(async () => {
  document = signedTd({ key: newKey(), created: new Date(Date.now() - 1_000) });
  expect((await nodes[0]?.put(document))?.status).toBe(201);
});

const path = () => `${thingPath(document.id)}/heartbeat`;
const sign = () => signedRequest(nodes[0] as TestService, path(), document.key, { body: '{"ttl":3600}' });

test("the same request at both nodes at once gets through once", async () => {
  for (let round = 0; round < 10; round += 1) {
    const request = sign();
    const answers = await Promise.all([...nodes, ...nodes, ...nodes].map((node) => node.fetch(path(), request)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409, 409, 409]);
  }
});

test("different requests at both nodes at once all get through", async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => nodes[index % 2]?.fetch(path(), sign())));
  expect(answers.map((answer) => answer?.status)).toEqual(answers.map(() => 200));
});

test("a request that was received before a restart is known after it", async () => {
  const request = sign();
  expect((await nodes[0]?.fetch(path(), request))?.status).toBe(200);
  await nodes[0]?.close();
  nodes[0] = await start();
  expect((await nodes[0]?.fetch(path(), request))?.status).toBe(409);
});

test("an expired nonce that comes anew, at once and while others are deleted, counts once", async () => {
  const nonces = createRequestNonces(db.orm);
  const controller = "did:web:a.example" as Did;
  const now = new Date();
  const past = new Date(now.getTime() - limits.requestSignatureAgeMsMax - limits.requestNonceMarginMs);
  for (let round = 0; round < 20; round += 1) {
    await nonces.record({ controller, nonce: `nonce-${round}`, created: past }, past);
    const attempts = Array.from({ length: 8 }, () =>
      nonces.record({ controller, nonce: `nonce-${round}`, created: now }, now),
    );
    const outcomes = await Promise.allSettled([...attempts, nonces.deleteExpired(now)]);
    expect(outcomes.slice(0, 8).filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(outcomes.at(-1)).toMatchObject({ status: "fulfilled" });
  }
});

test("a flood by one controller stops at the bound, or some requests beyond it", async () => {
  const nonces = createRequestNonces(db.orm);
  const controller = "did:web:flood.example" as Did;
  const now = new Date();
  const attempts = Array.from({ length: limits.requestNoncesPerControllerMax + 200 }, (_, index) =>
    nonces.record({ controller, nonce: `nonce-${index}`, created: now }, now),
  );
  const outcomes = await Promise.allSettled(attempts);
  const recorded = outcomes.filter(({ status }) => status === "fulfilled").length;
  const [row] = await rowsOf<{ count: number }>(
    db.orm,
    sql`select count(*)::int as count from request_nonces where controller = ${controller}`,
  );
  expect(row?.count).toBe(recorded);
  expect(recorded).toBeGreaterThanOrEqual(limits.requestNoncesPerControllerMax);
  // As many as the database has connections for.
  expect(recorded).toBeLessThan(limits.requestNoncesPerControllerMax + 10);
  const refused = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as object] : []));
  for (const reason of refused) expect(reason).toMatchObject({ type: "too-many-requests" });
});
