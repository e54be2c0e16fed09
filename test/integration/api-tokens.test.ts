import { createHash } from "node:crypto";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/base/limits.ts";
import { type Database, rowsOf } from "../../src/db/client.ts";
import { createTestDatabase, type DatabasePlace } from "../support/database.ts";
import { newKey, signedTd, tdOf } from "../support/descriptions.ts";
import {
  adminToken,
  problemOf,
  signedRequest,
  startTestService,
  type TestService,
  thingPath,
} from "../support/service.ts";

type Scope = "read" | "write" | "admin";

interface Created {
  id: string;
  token: string;
  expires: string | null;
}

const operator = { authorization: `Bearer ${adminToken}` };
const scopes: readonly Scope[] = ["read", "write", "admin"];

let now = new Date();
const pass = (ms: number) => (now = new Date(now.getTime() + ms));

// Three doors to one database: as usual, closed to writers, closed to all.
let db: Database & { place: DatabasePlace };
let registry: TestService;
let closed: TestService;
let secret: TestService;

beforeAll(async () => {
  db = await createTestDatabase();
  const parts = { place: db.place, database: db, clock: { now: () => now } };
  registry = await startTestService({}, parts);
  closed = await startTestService({ admission: "token" }, parts);
  secret = await startTestService({ readAccess: "token" }, parts);
});
afterAll(async () => {
  await Promise.all([registry, closed, secret].map((one) => one?.close()));
  await db?.close();
});

const post = (body: unknown, headers: Record<string, string> = operator, at = registry) =>
  at.fetch("/tokens", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

async function create(scope: Scope, fields: Record<string, unknown> = {}): Promise<Created> {
  const answer = await post({ name: `for ${scope}`, scope, ...fields });
  expect(answer.status).toBe(201);
  return (await answer.json()) as Created;
}

const bearer = ({ token }: Pick<Created, "token">) => ({ authorization: `Bearer ${token}` });
const list = async (at = registry, headers: Record<string, string> = operator) => at.fetch("/tokens", { headers });
const revoke = (id: string, headers: Record<string, string> = operator) =>
  registry.fetch(`/tokens/${id}`, { method: "DELETE", headers });

async function expectProblem(response: Response, status: number, type: string): Promise<void> {
  expect([response.status, await problemOf(response)]).toEqual([status, type]);
}

describe("making a token", () => {
  test("tells it once, with what it is for and how long it counts", async () => {
    const answer = await post({ name: "build server", scope: "write", ttl: 3600 });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const body = (await answer.json()) as Created;
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: "build server",
      scope: "write",
      created: now.toISOString(),
      expires: new Date(now.getTime() + 3_600_000).toISOString(),
      revoked: null,
      token: expect.stringMatching(/^tst_[A-Za-z0-9_-]{43}$/),
    });
    expect(answer.headers.get("location")).toBe(`${registry.service.publicUrl}/tokens/${body.id}`);
  });

  test("until an instant, or until it is revoked", async () => {
    expect((await create("read")).expires).toBeNull();
    const expires = new Date(now.getTime() + 1_000).toISOString();
    expect((await create("read", { expires })).expires).toBe(expires);
    const offset = await create("read", { expires: "2099-01-01T01:00:00+01:00" });
    expect(offset.expires).toBe("2099-01-01T00:00:00.000Z");
  });

  test.each<[object | string, string]>([
    [{ scope: "read" }, "/name"],
    [{ name: "", scope: "read" }, "/name"],
    [{ name: "n".repeat(limits.apiTokenNameCharactersMax + 1), scope: "read" }, "/name"],
    [{ name: "a\nb", scope: "read" }, "/name"],
    [{ name: "a" }, "/scope"],
    [{ name: "a", scope: "root" }, "/scope"],
    [{ name: "a", scope: "read", ttl: 0 }, "/ttl"],
    [{ name: "a", scope: "read", ttl: limits.registrationTtlSecondsMax + 1 }, "/ttl"],
    [{ name: "a", scope: "read", ttl: 1, expires: "2099-01-01T00:00:00Z" }, "/ttl"],
    [{ name: "a", scope: "read", expires: "2020-01-01T00:00:00Z" }, "/expires"],
    [{ name: "a", scope: "read", expires: "tomorrow" }, "/expires"],
    [{ name: "a", scope: "read", token: "tst_mine" }, ""],
    [[], ""],
  ])("of %j is refused, and %j is named", async (body, field) => {
    const refused = await post(body);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      type: "urn:thingstead:problem:invalid-parameter",
      validationErrors: expect.arrayContaining([expect.objectContaining({ field })]),
    });
  });

  test("with a body that is no JSON is refused", async () => {
    await expectProblem(await post("{"), 400, "invalid-json");
    await expectProblem(await post("{}", { ...operator, "content-type": "text/plain" }), 415, "unsupported-media-type");
  });
});

describe("managing tokens", () => {
  test("is for admins only", async () => {
    const { id } = await create("read");
    const requests = (headers: Record<string, string>) => [
      post({ name: "mine", scope: "admin" }, headers),
      list(registry, headers),
      revoke(id, headers),
    ];
    for (const request of requests({})) await expectProblem(await request, 401, "token-required");
    for (const scope of ["read", "write"] as const) {
      const headers = bearer(await create(scope));
      for (const request of requests(headers)) {
        const refused = await request;
        expect(refused.status).toBe(403);
        expect(await refused.json()).toMatchObject({
          type: "urn:thingstead:problem:insufficient-scope",
          required: "admin",
        });
      }
    }
    const admin = bearer(await create("admin"));
    expect((await Promise.all(requests(admin))).map(({ status }) => status)).toEqual([201, 200, 204]);
  });

  test("shows no token and no digest of one", async () => {
    const made = await Promise.all(scopes.map((scope) => create(scope)));
    const answer = await list();
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const text = await answer.text();
    for (const { id, token } of made) {
      expect(text).toContain(id);
      const digest = createHash("sha256").update(token).digest();
      for (const hidden of [token.slice(4), digest.toString("hex"), digest.toString("base64")]) {
        expect(text).not.toContain(hidden);
      }
    }
    const { tokens } = JSON.parse(text) as { tokens: object[] };
    for (const one of tokens) {
      expect(Object.keys(one)).toEqual(["id", "name", "scope", "created", "expires", "revoked"]);
    }
  });

  test.each(["nothing", "00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000/x", "%00"])(
    "does not find a token %s",
    async (id) => expectProblem(await revoke(id), 404, "not-found"),
  );

  test("that comes with a signature which does not hold makes nothing", async () => {
    const before = await rowsOf<{ n: number }>(db.orm, sql`select count(*)::int as n from api_tokens`);
    const wrong = { ...operator, signature: "sig1=:AAAA:", "signature-input": "sig1=()" };
    await expectProblem(await post({ name: "a", scope: "read" }, wrong), 401, "invalid-signature");
    expect(await rowsOf(db.orm, sql`select count(*)::int as n from api_tokens`)).toEqual(before);
  });

  test("is told in the log, without the tokens", async () => {
    const records: LogRecord[] = [];
    await configure({
      reset: true,
      sinks: { memory: (record) => void records.push(record) },
      loggers: [
        { category: ["thingstead", "tokens"], sinks: ["memory"], lowestLevel: "info" },
        { category: ["logtape", "meta"], sinks: [], lowestLevel: "warning" },
      ],
    });
    try {
      const admin = await create("admin");
      const made = (await (await post({ name: "x", scope: "read" }, bearer(admin))).json()) as Created;
      await revoke(made.id);
      expect(records.map(({ rawMessage, properties }) => [rawMessage, properties["id"], properties["by"]])).toEqual([
        ["token created", admin.id, null],
        ["token created", made.id, admin.id],
        ["token revoked", made.id, null],
      ]);
      const text = JSON.stringify(records);
      for (const { token } of [admin, made]) expect(text).not.toContain(token.slice(4));
    } finally {
      await reset();
    }
  });
});

describe("a token", () => {
  /** What each scope is for: requests that need it and no more. */
  const uses: Record<Scope, (headers: Record<string, string>) => Promise<Response>> = {
    read: (headers) => secret.fetch("/things", { headers }),
    write: (headers) => closed.put(signedTd(), headers),
    admin: async (headers) => {
      const document = signedTd();
      await registry.put(document);
      return registry.fetch(thingPath(document.id), { method: "DELETE", headers });
    },
  };

  test.each(scopes.flatMap((has) => scopes.map((needs) => [has, needs] as const)))(
    "of the scope %s, where %s is needed",
    async (has, needs) => {
      const answer = await uses[needs](bearer(await create(has)));
      if (scopes.indexOf(has) >= scopes.indexOf(needs)) expect(answer.ok).toBe(true);
      else await expectProblem(answer, 403, "insufficient-scope");
    },
  );

  test("that was revoked is refused at once, at every door, and stays so", async () => {
    const made = await create("admin");
    for (const scope of scopes) expect((await uses[scope](bearer(made))).ok, scope).toBe(true);
    expect((await revoke(made.id)).status).toBe(204);
    for (const scope of scopes) {
      const refused = await uses[scope](bearer(made));
      expect(refused.status, scope).toBe(401);
      expect(await refused.json()).toMatchObject({ detail: expect.stringContaining("was revoked at") });
    }
    expect((await revoke(made.id)).status, "again").toBe(204);
    const own = await create("admin");
    expect((await revoke(own.id, bearer(own))).status, "itself").toBe(204);
    expect((await list(registry, bearer(own))).status).toBe(401);
  });

  test("that has expired is refused from that instant on", async () => {
    const made = await create("admin", { ttl: 60 });
    pass(59_999);
    for (const scope of scopes) expect((await uses[scope](bearer(made))).ok, scope).toBe(true);
    pass(1);
    for (const scope of scopes) {
      const refused = await uses[scope](bearer(made));
      expect(refused.status, scope).toBe(401);
      expect(await refused.json()).toMatchObject({ detail: expect.stringContaining("expired at") });
    }
  });

  test.each([
    "Bearer wrong",
    `Bearer tst_${"A".repeat(43)}`,
    `Bearer ${adminToken}x`,
    `Bearer ${adminToken} x`,
    `Basic ${Buffer.from(`admin:${adminToken}`).toString("base64")}`,
    adminToken,
    "Bearer",
  ])("%j is refused, also where none is needed", async (authorization) => {
    for (const scope of scopes) await expectProblem(await uses[scope]({ authorization }), 401, "token-required");
    await expectProblem(await registry.put(signedTd(), { authorization }), 401, "token-required");
    await expectProblem(await list(registry, { authorization }), 401, "token-required");
  });

  test("is not known by its digest or its id", async () => {
    const { token, id } = await create("admin");
    for (const other of [createHash("sha256").update(token).digest("hex"), id]) {
      await expectProblem(await list(registry, { authorization: `Bearer ${other}` }), 401, "token-required");
    }
  });

  test("makes nobody the owner of an entry", async () => {
    const document = signedTd({ created: new Date(now.getTime() - 1_000) });
    await registry.put(document);
    const admin = bearer(await create("admin"));
    const other = signedTd({ key: newKey(), created: now, members: { id: document.id } });
    await expectProblem(await registry.put(other, admin), 403, "not-controller");
  });

  test("for writing lets unsigned descriptions in where ADMISSION asks for one, and takes them out again", async () => {
    const td = tdOf();
    const id = String(td["id"]);
    const put = (headers: Record<string, string>) => closed.put({ id, text: JSON.stringify(td) }, headers);
    await expectProblem(await put({}), 401, "token-required");
    await expectProblem(await put(bearer(await create("read"))), 403, "insufficient-scope");
    const write = bearer(await create("write"));
    expect((await put(write)).status).toBe(201);
    expect((await closed.fetch(thingPath(id), { method: "DELETE", headers: write })).status).toBe(204);
  });

  test("for reading opens a closed registry to reading, and not to more", async () => {
    const read = bearer(await create("read"));
    for (const path of ["/things", "/search?q=x", "/.well-known/wot", "/metrics"]) {
      const answer = await secret.fetch(path, { headers: read });
      expect(answer.status, path).toBe(200);
      await answer.body?.cancel();
      expect((await secret.fetch(path)).status, path).toBe(401);
    }
    await expectProblem(await list(secret, read), 403, "insufficient-scope");
  });

  test("and a signature by the owner do together what the owner may", async () => {
    const key = newKey();
    const document = signedTd({ key, created: new Date(now.getTime() - 1_000) });
    await registry.put(document);
    const path = `${thingPath(document.id)}/heartbeat`;
    const headers = bearer(await create("read"));
    const request = signedRequest(registry, path, key, { body: '{"ttl":60}', created: now, headers });
    expect((await registry.fetch(path, request)).status).toBe(200);
  });
});

test("a registry without ADMIN_TOKEN has tokens that its database knows", async () => {
  const admin = await create("admin");
  await using without = await startTestService({ adminToken: null }, { place: db.place, database: db });
  expect((await list(without, bearer(admin))).status).toBe(200);
  await expectProblem(await list(without), 401, "token-required");
});
