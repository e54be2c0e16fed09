import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createTestDatabase, emptyTables } from "../../test/support/database.ts";
import { limits } from "../base/limits.ts";
import { type Database, rowsOf } from "../db/client.ts";
import { type ApiTokens, createApiTokens } from "./api-tokens.ts";

let db: Database;
let tokens: ApiTokens;
beforeAll(async () => {
  db = await createTestDatabase();
  tokens = createApiTokens(db.orm);
});
afterAll(() => db.close());
beforeEach(() => emptyTables(db));

const now = new Date("2026-11-26T09:00:00Z");
const after = (ms: number) => new Date(now.getTime() + ms);
const create = (name: string, expires: Date | null = null) => tokens.create({ name, scope: "write", expires }, now);

/** Writes rows that are all in use. */
const fill = (count: number) =>
  db.orm.execute(sql`
    insert into api_tokens (name, hash, scope, created)
    select 'filled', sha256(n::text::bytea), 'read', ${now.toISOString()}::timestamptz from generate_series(1, ${count}) n`);

test("a token is random, told once, and found by nothing else", async () => {
  const one = await create("one");
  const two = await create("two");
  expect(one.token).toMatch(/^tst_[A-Za-z0-9_-]{43}$/);
  expect(two.token).not.toBe(one.token);
  expect(one.apiToken).toEqual({
    id: expect.any(String),
    name: "one",
    scope: "write",
    created: now,
    expires: null,
    revoked: null,
  });
  expect(await tokens.find(one.token)).toEqual(one.apiToken);
  for (const wrong of [
    "",
    "tst_",
    one.apiToken.id,
    `${one.token}A`,
    one.token.toLowerCase(),
    `tst_${"A".repeat(43)}`,
  ]) {
    expect(await tokens.find(wrong), wrong).toBeNull();
  }
});

test("the database has the SHA-256 of a token, and nothing that leads to it", async () => {
  const { token } = await create("one");
  const rows = await rowsOf<{ row: string; hash: string }>(
    db.orm,
    sql`select t::text as row, encode(hash, 'hex') as hash from api_tokens t`,
  );
  expect(rows).toHaveLength(1);
  expect(rows[0]?.hash).toBe(createHash("sha256").update(token).digest("hex"));
  expect(rows[0]?.row).not.toContain(token.slice(4, 20));
});

test("the list has no secrets, and those in use come first", async () => {
  const revoked = await create("revoked");
  const expired = await create("expired", after(1));
  const live = await create("live", after(60_000));
  await tokens.revoke(revoked.apiToken.id, now);
  const listed = await tokens.list(after(1_000));
  expect(listed.map(({ name }) => name)[0]).toBe("live");
  expect(listed.map(({ name }) => name).toSorted()).toEqual(["expired", "live", "revoked"]);
  expect(Object.keys(listed[0] ?? {})).toEqual(["id", "name", "scope", "created", "expires", "revoked"]);
  for (const { token } of [revoked, expired, live]) expect(JSON.stringify(listed)).not.toContain(token.slice(4));
});

test("revoking counts from the first time on", async () => {
  const { token, apiToken } = await create("one");
  expect(await tokens.revoke(apiToken.id, after(1_000))).toMatchObject({ revoked: after(1_000) });
  expect(await tokens.revoke(apiToken.id, after(2_000))).toMatchObject({ revoked: after(1_000) });
  expect(await tokens.find(token)).toMatchObject({ revoked: after(1_000) });
  expect(await tokens.revoke("00000000-0000-4000-8000-000000000000", now)).toBeNull();
});

test("so many are in use at once and no more; those that are over do not count", async () => {
  const { apiToken } = await create("one");
  await fill(limits.apiTokensMax - 1);
  await expect(create("beyond")).rejects.toMatchObject({ type: "too-many-requests", retry: "never" });
  await tokens.revoke(apiToken.id, now);
  await create("in its place");
  expect(await tokens.list(now)).toHaveLength(limits.apiTokensMax + 1);
});

test("those that are over are forgotten in the end", async () => {
  const { apiToken: revoked } = await create("revoked");
  await create("expired", after(1));
  await create("live");
  await tokens.revoke(revoked.id, now);
  const names = async (at: Date) => {
    await tokens.create({ name: "new", scope: "read", expires: null }, at);
    return (await tokens.list(at)).map(({ name }) => name);
  };
  expect(await names(after(limits.apiTokenDeadMsMax))).toEqual(expect.arrayContaining(["revoked", "expired"]));
  expect((await names(after(limits.apiTokenDeadMsMax + 2))).toSorted()).toEqual(["live", "new", "new"]);
});
