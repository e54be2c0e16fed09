import { sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, emptyTables } from "../../test/support/database.ts";
import type { Did } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { type Database, rowsOf } from "../db/client.ts";
import { createRequestNonces, type RequestNonces } from "./request-nonces.ts";

let db: Database;
let nonces: RequestNonces;
beforeAll(async () => {
  db = await createTestDatabase();
  nonces = createRequestNonces(db.orm);
});
afterAll(() => db.close());
beforeEach(() => emptyTables(db));

const now = new Date("2026-11-26T09:00:00Z");
const after = (ms: number) => new Date(now.getTime() + ms);
const controller = "did:web:a.example" as Did;
const lifetimeMs = limits.requestSignatureAgeMsMax + limits.requestNonceMarginMs;
const { requestNoncesPerControllerMax: perControllerMax, requestNoncesDeletedMax: deletedMax } = limits;

const countRows = async (): Promise<number> => {
  const [row] = await rowsOf<{ count: number }>(db.orm, sql`select count(*)::int as count from request_nonces`);
  return row?.count ?? 0;
};

/** Writes rows of a controller as `record` would have written them at `created`. */
const fill = (of: string, count: number, created: Date) =>
  db.orm.execute(sql`
    insert into request_nonces (key, controller, expires)
    select sha256(convert_to(${of} || chr(10) || n, 'UTF8')), ${of}, ${after(lifetimeMs + created.getTime() - now.getTime()).toISOString()}::timestamptz
    from generate_series(1, ${count}) n`);

describe("a nonce", () => {
  test("counts once, and for its controller only", async () => {
    await nonces.record({ controller, nonce: "nonce-001", created: now }, now);
    await expect(nonces.record({ controller, nonce: "nonce-001", created: now }, now)).rejects.toMatchObject({
      type: "request-replayed",
      status: 409,
    });
    await nonces.record({ controller, nonce: "nonce-002", created: now }, now);
    await nonces.record({ controller: "did:web:b.example" as Did, nonce: "nonce-001", created: now }, now);
    expect(await countRows()).toBe(3);
  });

  test("counts for one of many that come at once", async () => {
    const attempts = Array.from({ length: 20 }, () =>
      nonces.record({ controller, nonce: "nonce-001", created: now }, now),
    );
    const outcomes = await Promise.allSettled(attempts);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await countRows()).toBe(1);
  });

  test("is kept longer than its request is accepted, counted from when that was created", async () => {
    const created = after(limits.requestSignatureAgeMsMax);
    await nonces.record({ controller, nonce: "nonce-001", created }, now);
    const lastAccepted = new Date(created.getTime() + limits.requestSignatureAgeMsMax);
    const kept = new Date(created.getTime() + lifetimeMs - 1);
    for (const at of [lastAccepted, kept]) {
      await nonces.deleteExpired(at);
      await expect(nonces.record({ controller, nonce: "nonce-001", created }, at)).rejects.toMatchObject({
        type: "request-replayed",
      });
    }
  });

  test("may come again for another request once it has expired, deleted or not", async () => {
    await nonces.record({ controller, nonce: "nonce-001", created: now }, now);
    const later = after(lifetimeMs);
    await nonces.record({ controller, nonce: "nonce-001", created: later }, later);
    await expect(nonces.record({ controller, nonce: "nonce-001", created: later }, later)).rejects.toThrow(
      "received before",
    );
  });
});

describe("a controller", () => {
  test("has so many requests and no more, until the first of them has expired", async () => {
    await fill(controller, perControllerMax - 1, now);
    await nonces.record({ controller, nonce: "nonce-last", created: now }, now);
    const one = { controller, nonce: "nonce-beyond", created: now };
    await expect(nonces.record(one, after(1_500))).rejects.toMatchObject({
      type: "too-many-requests",
      retryAfterSeconds: Math.ceil((lifetimeMs - 1_500) / 1000),
    });
    await expect(nonces.record({ ...one, nonce: "nonce-last" }, now)).rejects.toMatchObject({
      type: "request-replayed",
    });
    await nonces.record({ ...one, controller: "did:web:b.example" as Did }, now);
    const later = after(lifetimeMs);
    await nonces.record({ ...one, created: later }, later);
  });
});

describe("expired nonces", () => {
  test("go with new ones, faster than these come, and live ones stay", async () => {
    await fill("did:web:old.example", deletedMax + 1, after(-lifetimeMs));
    await fill("did:web:live.example", 3, now);
    await nonces.record({ controller, nonce: "nonce-001", created: now }, now);
    expect(await countRows()).toBe(1 + 3 + 1);
    await nonces.record({ controller, nonce: "nonce-002", created: now }, now);
    expect(await countRows()).toBe(3 + 2);
    expect(deletedMax).toBeGreaterThan(1);
  });
});
