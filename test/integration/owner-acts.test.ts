import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { limits } from "../../src/base/limits.ts";
import type { SigningKey } from "../../src/identity/keys.ts";
import { generateSigningKey, loadSigningKey } from "../../src/identity/keys.ts";
import { createTestDatabase } from "../support/database.ts";
import { newKey, type SignedTd, signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import { startDidWebHost } from "../support/did-web-host.ts";
import {
  adminToken,
  problemOf,
  signedRequest,
  startTestService,
  type TestService,
  thingPath,
} from "../support/service.ts";
import { openEvents } from "../support/sse-client.ts";

type Options = NonNullable<Parameters<typeof signedRequest>[3]>;

const operator = { authorization: `Bearer ${adminToken}` };
const seconds = (offset: number) => new Date(Date.now() + offset * 1000);
const json = async (response: Response) => (await response.json()) as Record<string, unknown>;

let registry: TestService;
let key: SigningKey;
let document: SignedTd;

beforeAll(async () => {
  registry = await startTestService();
});
afterAll(() => registry?.close());
beforeEach(async () => {
  key = newKey();
  document = signedTd({ key, created: seconds(-60) });
  expect((await registry.put(document)).status).toBe(201);
});

/** Sends a request that `by` has signed, over the network. */
const send = (path: string, options: Options = {}, by = key, at = registry) =>
  at.fetch(path, signedRequest(at, path, by, options));
const heartbeat = (options: Options = { body: '{"ttl":3600}' }, by = key, at = registry, id = document.id) =>
  send(`${thingPath(id)}/heartbeat`, options, by, at);
const choose = (visibility: string, by = key, at = registry) =>
  send(`${thingPath(document.id)}/visibility`, { body: JSON.stringify({ visibility }) }, by, at);
const unlist = (by = key, at = registry) => send(thingPath(document.id), { method: "DELETE" }, by, at);
/** What the log has about a thing. */
const logged = async (id: string) => {
  const { entries } = (await (await registry.fetch("/log?limit=1000")).json()) as {
    entries: { id: string; kind: string }[];
  };
  return entries.filter((entry) => entry.id === id).map(({ kind }) => kind);
};
/** A new version of the document, signed as a document only. */
const newVersion = (created = seconds(0)) =>
  signedTd({ key, created, members: { id: document.id, title: "A new version" } });

async function expectProblem(response: Response, status: number, type: string): Promise<void> {
  expect([response.status, await problemOf(response)]).toEqual([status, type]);
}

describe("a heartbeat", () => {
  test("renews the entry and tells until when it is listed", async () => {
    const answer = await heartbeat({ body: '{"ttl":3600}' });
    expect(answer.status).toBe(200);
    const { expires, ...rest } = await json(answer);
    const href = `${registry.service.publicUrl}${thingPath(document.id)}`;
    expect(rest).toEqual({ id: document.id, href, ttl: 3600 });
    expect(Math.abs(Date.parse(String(expires)) - seconds(3600).getTime())).toBeLessThan(60_000);
    const facts = await json(await registry.fetch(`${thingPath(document.id)}/registration`));
    expect(facts["registration"]).toMatchObject({ expires, ttl: 3600 });
    expect((await json(await heartbeat({})))["ttl"], "the entry's own ttl from now on").toBe(3600);
  });

  test("needs a ttl where the entry has none", async () => {
    const refused = await heartbeat({});
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ validationErrors: [{ field: "/ttl" }] });
  });

  test.each([
    '{"ttl":0}',
    `{"ttl":${limits.registrationTtlSecondsMax + 1}}`,
    '{"ttl":1.5}',
    '{"ttl":"60"}',
    '{"tll":60}',
    "[]",
  ])("of %s is refused, and uses up no nonce", async (body) => {
    const nonce = randomUUID();
    await expectProblem(await heartbeat({ body, nonce }), 400, "invalid-parameter");
    expect((await heartbeat({ body: `{"ttl":${limits.registrationTtlSecondsMax}}`, nonce })).status).toBe(200);
  });

  test("with a body that is not JSON is refused", async () => {
    await expectProblem(await heartbeat({ body: '{"ttl":1,"ttl":2}' }), 400, "invalid-json");
    const headers = { "content-type": "text/plain" };
    await expectProblem(await heartbeat({ body: '{"ttl":1}', headers }), 415, "unsupported-media-type");
  });

  test("keeps an entry alive, and brings back one that has expired", async () => {
    let now = new Date();
    await using timed = await startTestService({}, { clock: { now: () => now } });
    const pass = (ms: number) => (now = new Date(now.getTime() + ms));
    const td = signedTd({ key, created: now, members: { registration: { ttl: 60 } } });
    expect((await timed.put(td)).status).toBe(201);
    const beat = () => heartbeat({ created: now }, key, timed, td.id);
    const found = async () => [
      (await timed.fetch(thingPath(td.id))).status,
      ((await json(await timed.fetch("/search?q=weather")))["items"] as unknown[]).length,
    ];

    pass(59_000);
    expect((await beat()).status).toBe(200);
    pass(59_000);
    expect(await found()).toEqual([200, 1]);
    pass(2_000);
    expect(await found()).toEqual([404, 0]);
    await using client = await openEvents(`${timed.url}/events`);
    expect((await beat()).status).toBe(200);
    expect(await found()).toEqual([200, 1]);
    const events = await client.received(1);
    expect(events.at(-1)).toMatchObject({ type: "thing_created", data: { id: td.id } });
  });

  test("takes ids with slashes and of all spellings", async () => {
    const td = signedTd({ key, members: { id: "https://agents.example/a/heartbeat" } });
    await registry.put(td);
    for (const path of [thingPath(td.id), `/things/${td.id}`]) {
      const answer = await send(`${path}/heartbeat`, { body: '{"ttl":60}' });
      expect([answer.status, (await json(answer))["id"]]).toEqual([200, td.id]);
    }
  });

  test("of what is not there, retracted, unlisted or somebody else's is refused", async () => {
    await expectProblem(await heartbeat({}, key, registry, "urn:example:nothing"), 404, "not-found");
    const refused = await heartbeat({ body: '{"ttl":1}' }, newKey());
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({
      type: "urn:thingstead:problem:not-controller",
      controller: key.controller,
    });
    await unlist();
    await expectProblem(await heartbeat(), 403, "entry-unlisted");
    const gone = signedTombstone(document.id, key);
    await registry.put(gone, { "content-type": "application/activity+json" });
    await expectProblem(await heartbeat(), 410, "gone");
  });

  test("that nobody signed renews no signed entry, whoever sends it", async () => {
    const path = `${thingPath(document.id)}/heartbeat`;
    await expectProblem(await registry.fetch(path, { method: "POST" }), 403, "signed-entry");
    await expectProblem(await registry.fetch(path, { method: "POST", headers: operator }), 403, "signed-entry");
  });

  test("of an unsigned entry is for whoever may change it", async () => {
    await using open = await startTestService({ admission: "open" });
    const td = tdOf();
    const id = String(td["id"]);
    await open.put({ id, text: JSON.stringify(td) });
    const beat = (path: string) =>
      open.fetch(path, { method: "POST", body: '{"ttl":60}', headers: { "content-type": "application/json" } });
    expect((await beat(`${thingPath(id)}/heartbeat`)).status).toBe(200);

    const named = { ...td, id: "chatagent", "@type": "lmos:Agent" };
    expect((await open.put({ id: "chatagent", text: JSON.stringify(named) })).status).toBe(201);
    expect((await beat(`${thingPath("chatagent")}/heartbeat`)).status).toBe(200);
  });
});

describe("visibility by id", () => {
  test("hides the entry everywhere but under its id, until its owner chooses anew", async () => {
    const word = `hidden${randomUUID().replaceAll("-", "")}`;
    document = signedTd({ key, created: seconds(-60), members: { title: word } });
    await registry.put(document);
    const query = encodeURIComponent(`$[?@.title == '${word}']`);
    const found = async () => ({
      search: ((await json(await registry.fetch(`/search?q=${word}`)))["items"] as unknown[]).length,
      listing: (await (await registry.fetch("/things?limit=1000")).text()).includes(word),
      jsonpath: ((await (await registry.fetch(`/search/jsonpath?query=${query}`)).json()) as unknown[]).length,
      byId: (await registry.fetch(thingPath(document.id))).status,
    });
    const everywhere = { search: 1, listing: true, jsonpath: 1, byId: 200 };
    expect(await found()).toEqual(everywhere);
    await using client = await openEvents(`${registry.url}/events`);

    const chosen = await choose("by-id");
    expect(chosen.status).toBe(200);
    const href = `${registry.service.publicUrl}${thingPath(document.id)}`;
    expect(await json(chosen)).toEqual({ id: document.id, href, visibility: "by-id" });
    expect(await found()).toEqual({ search: 0, listing: false, jsonpath: 0, byId: 200 });
    // A new version does not show it either.
    const next = newVersion();
    expect((await registry.put(next)).status).toBe(204);
    expect(await (await registry.fetch(thingPath(document.id))).text()).toBe(next.text);
    expect((await choose("by-id")).status).toBe(200);
    // Events tell what may be seen when they are told, and another database of the server may hold them back.
    await expect.poll(() => logged(document.id), { timeout: 20_000 }).toEqual(["created", "unlisted", "updated"]);
    expect((await choose("public")).status).toBe(200);

    const events = await client.received(2);
    expect(events.map(({ type, data }) => [type, data["id"]])).toEqual([
      ["thing_deleted", document.id],
      ["thing_created", document.id],
    ]);
    await registry.put(signedTd({ key, created: seconds(1), members: { id: document.id, title: word } }));
    expect(await found()).toEqual(everywhere);
  });

  test("is for the owner to choose", async () => {
    await expectProblem(await choose("by-id", newKey()), 403, "not-controller");
    await expectProblem(await choose("secret"), 400, "invalid-parameter");
    await expectProblem(await send(`${thingPath(document.id)}/visibility`), 400, "invalid-parameter");
    await unlist();
    await expectProblem(await choose("public"), 403, "entry-unlisted");
  });
});

describe("unlisting by the owner", () => {
  test("takes the entry out, and only its owner brings it back with the same version", async () => {
    expect((await unlist()).status).toBe(204);
    await expectProblem(await registry.fetch(thingPath(document.id)), 404, "not-found");
    await expectProblem(await unlist(), 404, "not-found");

    await expectProblem(await registry.put(document), 403, "entry-unlisted");
    await expectProblem(await registry.put(document, operator), 403, "entry-unlisted");
    const resend = (by: SigningKey) => {
      const headers = { "content-type": "application/td+json" };
      return send(thingPath(document.id), { method: "PUT", body: document.text, headers }, by);
    };
    await expectProblem(await resend(newKey()), 403, "entry-unlisted");
    expect((await resend(key)).status).toBe(204);
    expect(await (await registry.fetch(thingPath(document.id))).text()).toBe(document.text);
  });

  test("ends with a new version, whoever sends it", async () => {
    await unlist();
    const next = newVersion();
    expect((await registry.put(next)).status).toBe(201);
    expect(await (await registry.fetch(thingPath(document.id))).text()).toBe(next.text);
  });

  test("keeps to the precondition", async () => {
    const remove = (etag: string) => send(thingPath(document.id), { method: "DELETE", headers: { "if-match": etag } });
    await expectProblem(await remove('"other"'), 412, "precondition-failed");
    const etag = (await registry.fetch(thingPath(document.id))).headers.get("etag") ?? "";
    expect((await remove(etag)).status).toBe(204);
  });

  test("is not for others", async () => {
    await expectProblem(await unlist(newKey()), 403, "not-controller");
    await expectProblem(await registry.fetch(thingPath(document.id), { method: "DELETE" }), 403, "signed-entry");
  });
});

test("what an operator has unlisted, its owner does not bring back", async () => {
  expect((await registry.fetch(thingPath(document.id), { method: "DELETE", headers: operator })).status).toBe(204);
  const next = newVersion();
  const options = { method: "PUT", body: next.text, headers: { "content-type": "application/td+json" } };
  await expectProblem(await send(thingPath(document.id), options), 403, "entry-unlisted");
  await expectProblem(await heartbeat(), 403, "entry-unlisted");
  await expectProblem(await choose("public"), 403, "entry-unlisted");
  await expectProblem(await unlist(), 404, "not-found");
  expect((await registry.fetch(thingPath(document.id))).status).toBe(404);
  expect((await registry.put(next, operator)).status).toBe(201);
});

describe("a registry whose writers need a token", () => {
  let closed: TestService;
  beforeAll(async () => {
    closed = await startTestService({ admission: "token" });
  });
  afterAll(() => closed?.close());

  test("takes signed acts of owners without one, but nothing new", async () => {
    await closed.put(document, operator);
    expect((await heartbeat({ body: '{"ttl":60}' }, key, closed)).status).toBe(200);
    expect((await choose("by-id", key, closed)).status).toBe(200);
    const next = newVersion();
    const headers = { "content-type": "application/td+json" };
    const put = await send(thingPath(next.id), { method: "PUT", body: next.text, headers }, key, closed);
    await expectProblem(put, 401, "token-required");
    expect((await unlist(key, closed)).status).toBe(204);
  });

  test("asks others for it, before it looks at anything", async () => {
    await closed.put(signedTd({ key, members: { id: document.id } }), operator);
    const path = `${thingPath(document.id)}/heartbeat`;
    await expectProblem(await closed.fetch(path, { method: "POST" }), 401, "token-required");
    await expectProblem(await closed.fetch(thingPath(document.id), { method: "DELETE" }), 401, "token-required");
    await expectProblem(await heartbeat({}, newKey(), closed), 403, "not-controller");
  });

  test("does not let a signature stand for a token on what nobody signed", async () => {
    const td = tdOf();
    await closed.put({ id: String(td["id"]), text: JSON.stringify(td) }, operator);
    const options = { body: '{"ttl":60}' };
    await expectProblem(await heartbeat(options, key, closed, String(td["id"])), 401, "token-required");
  });
});

describe("a registry whose readers need a token", () => {
  let closed: TestService;
  beforeAll(async () => {
    closed = await startTestService({ readAccess: "token" });
  });
  afterAll(() => closed?.close());

  test("lets owners act on their entries without one", async () => {
    await closed.put(document, operator);
    expect((await heartbeat({ body: '{"ttl":60}' }, key, closed)).status).toBe(200);
    expect((await choose("by-id", key, closed)).status).toBe(200);
    expect((await unlist(key, closed)).status).toBe(204);
    await expectProblem(await heartbeat({}, key, closed), 403, "entry-unlisted");
  });

  test("does not tell strangers, however they sign, what is there", async () => {
    await closed.put(document, operator);
    const stranger = newKey();
    for (const id of [document.id, "urn:example:nothing"]) {
      const body = '{"visibility":"public"}';
      const answers = [
        await heartbeat({}, stranger, closed, id),
        await send(`${thingPath(id)}/visibility`, { body }, stranger, closed),
        await send(thingPath(id), { method: "DELETE" }, stranger, closed),
        await closed.fetch(`${thingPath(id)}/heartbeat`, { method: "POST" }),
        await closed.fetch(thingPath(id), { method: "DELETE" }),
      ];
      const texts = await Promise.all(answers.map((answer) => answer.text()));
      expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
      expect(new Set(texts).size, "one answer for all").toBe(1);
      expect(texts[0]).toContain("token-required");
    }
    await expectProblem(await heartbeat({}, stranger, closed, "urn:example:nothing"), 401, "token-required");
    const unsigned = signedRequest(closed, `${thingPath(document.id)}/heartbeat`, key);
    delete unsigned.headers["signature"];
    const refused = await closed.fetch(`${thingPath(document.id)}/heartbeat`, unsigned);
    await expectProblem(refused, 401, "invalid-signature");
  });

  test("lets nobody read or publish by signature", async () => {
    await closed.put(document, operator);
    const path = thingPath(document.id);
    const { headers } = signedRequest(closed, path, key, { method: "GET" });
    await expectProblem(await closed.fetch(path, { headers }), 401, "token-required");
    const next = newVersion();
    const options = { method: "PUT", body: next.text, headers: { "content-type": "application/td+json" } };
    await expectProblem(await send(path, options, key, closed), 401, "token-required");
    await expectProblem(await send("/tokens", { method: "POST", body: "{}" }, key, closed), 401, "token-required");
  });
});

describe("a signature", () => {
  const path = () => `${thingPath(document.id)}/heartbeat`;
  const body = '{"ttl":3600}';
  const nobodyRenewed = async () => {
    const facts = await json(await registry.fetch(`${thingPath(document.id)}/registration`));
    expect(facts["registration"]).not.toHaveProperty("ttl");
  };
  const expectRefusal = async (response: Response, detail: RegExp) => {
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({
      type: "urn:thingstead:problem:invalid-signature",
      detail: expect.stringMatching(detail),
    });
    await nobodyRenewed();
  };

  test("that does not hold uses up no nonce", async () => {
    const nonce = randomUUID();
    const { headers } = signedRequest(registry, path(), key, { body, nonce });
    await expectRefusal(await registry.fetch(path(), { method: "POST", headers, body: '{"ttl":1}' }), /Content-Digest/);
    const other = `${thingPath("urn:example:other")}/heartbeat`;
    await expectProblem(await registry.fetch(other, { method: "POST", headers, body }), 401, "invalid-signature");
    expect((await registry.fetch(path(), { method: "POST", headers, body })).status).toBe(200);
  });

  /** `signature-input` with a part of it replaced. */
  const replaced = (from: RegExp, to: string | ((found: string) => string)) => (headers: Record<string, string>) => ({
    ...headers,
    "signature-input": (headers["signature-input"] ?? "").replace(from, typeof to === "string" ? () => to : to),
  });

  test.each<[string, (headers: Record<string, string>) => Record<string, string>, RegExp]>([
    ["without its nonce", replaced(/;nonce="[^"]+"/, ""), /"nonce" is missing/],
    ["with another nonce", replaced(/;nonce="[^"]+"/, ';nonce="another-nonce"'), /is not one of this request/],
    ["without created", replaced(/;created=\d+/, ""), /"created" is missing/],
    [
      "with a later created",
      replaced(/(?<=;created=)\d+/, (created) => String(Number(created) + 1)),
      /is not one of this request/,
    ],
    ["with the keyid of another", replaced(/keyid="[^"]+"/, `keyid="${newKey().id}"`), /is not one of this request/],
    ["with an alg that is not its own", replaced(/$/, ';alg="ecdsa-p256-sha256"'), /"alg" is ecdsa-p256-sha256/],
    ["with expires in the past", replaced(/$/, ";expires=1"), /"expires" has passed/],
    ["that leaves out the body", replaced(/ "content-digest"/, ""), /does not cover "content-digest"/],
    ["that leaves out the method", replaced(/"@method" /, ""), /does not cover "@method"/],
    ["that leaves out the target", replaced(/"@target-uri" /, ""), /does not cover "@target-uri"/],
    ["without the digest", (headers) => ({ ...headers, "content-digest": "" }), /^Content-Digest/],
    ["without Signature", ({ signature: _signature, ...headers }) => headers, /^Signature is missing/],
    [
      "of another request",
      (headers) => ({
        ...headers,
        signature: signedRequest(registry, path(), key, { body }).headers["signature"] ?? "",
      }),
      /is not one of this request/,
    ],
  ])("%s is refused", async (_, change, detail) => {
    const { headers } = signedRequest(registry, path(), key, { body });
    await expectRefusal(await registry.fetch(path(), { method: "POST", headers: change(headers), body }), detail);
  });

  test("for the path alone does not count with a query", async () => {
    const { headers } = signedRequest(registry, path(), key, { body });
    await expectRefusal(await registry.fetch(`${path()}?a=b`, { method: "POST", headers, body }), /is not one of this/);
  });

  test("from five minutes ago or ahead is refused", async () => {
    const beyond = limits.requestSignatureAgeMsMax / 1000 + 5;
    await expectRefusal(await heartbeat({ body, created: seconds(-beyond) }), /"created" is .* before/);
    await expectRefusal(await heartbeat({ body, created: seconds(beyond) }), /"created" is .* after/);
  });

  test("for unlisting does not renew, and one for renewing does not unlist", async () => {
    const remove = signedRequest(registry, thingPath(document.id), key, { method: "DELETE" });
    await expectRefusal(await registry.fetch(path(), { ...remove, method: "POST" }), /is not one of this request/);
    const beat = signedRequest(registry, path(), key, { body });
    await expectRefusal(await registry.fetch(thingPath(document.id), { ...beat, method: "DELETE" }), /is not one of/);
    expect((await registry.fetch(thingPath(document.id))).status).toBe(200);
  });

  test("beside another one is refused", async () => {
    const one = signedRequest(registry, path(), key, { body });
    const two = signedRequest(registry, path(), key, { body }).headers;
    const both = (name: string) => `${one.headers[name]}, ${two[name]?.replace("sig1=", "sig2=")}`;
    const headers = { ...one.headers, "signature-input": both("signature-input"), signature: both("signature") };
    await expectRefusal(await registry.fetch(path(), { ...one, headers }), /names 2 \(sig1, sig2\)/);
  });

  test("for another registry is refused, whatever Host says, and the problem says for which it must be", async () => {
    const elsewhere = { service: { ...registry.service, publicUrl: "https://other.example" } };
    const { headers } = signedRequest(elsewhere, path(), key, { body });
    for (const host of ["other.example", "other.example:443", registry.url.slice("http://".length)]) {
      const { status, text } = await raw({ path: path(), headers: { ...headers, host }, body });
      expect(status).toBe(401);
      expect(JSON.parse(text)).toMatchObject({
        type: "urn:thingstead:problem:invalid-signature",
        targetUri: `${registry.service.publicUrl}${path()}`,
      });
    }
    const absolute = await raw({
      path: `https://other.example${path()}`,
      headers: { ...headers, host: "other.example" },
      body,
    });
    expect(absolute.status).toBe(401);
    await nobodyRenewed();
  });

  test("for this registry counts under any Host, and with an absolute address", async () => {
    const signed = () => signedRequest(registry, path(), key, { body }).headers;
    for (const address of [path(), `http://proxy.example${path()}`]) {
      const { status } = await raw({ path: address, headers: { ...signed(), host: "proxy.example" }, body });
      expect(status).toBe(200);
    }
  });

  test("is over the path as it was sent, and not another spelling of it", async () => {
    const { headers } = signedRequest(registry, path(), key, { body });
    const spelt = path().replaceAll("%3A", "%3a");
    expect(spelt).not.toBe(path());
    await expectRefusal(await registry.fetch(spelt, { method: "POST", headers, body }), /is not one of this request/);
    const dotted = `/x/..${path()}`;
    const { status } = await raw({
      path: dotted,
      headers: signedRequest(registry, dotted, key, { body }).headers,
      body,
    });
    expect(status).toBe(200);
  });

  test("that a read carries is not looked at", async () => {
    const headers = { signature: "sig1=:AAAA:", "signature-input": "nonsense" };
    expect((await registry.fetch(thingPath(document.id), { headers })).status).toBe(200);
  });

  test("that a write carries must hold, also where nobody needs it", async () => {
    const fresh = signedTd();
    const wrong = { signature: "sig1=:AAAA:", "signature-input": "sig1=()" };
    await expectProblem(await registry.put(fresh, wrong), 401, "invalid-signature");
    expect((await registry.fetch(thingPath(fresh.id))).status).toBe(404);
    await using open = await startTestService({ admission: "open" });
    const td = JSON.stringify(tdOf({ id: "urn:example:open" }));
    const headers = { "content-type": "application/td+json" };
    const sendOpen = (to: string, method: string, type: string) =>
      open.fetch(to, { method, body: td, headers: { "content-type": type, ...wrong } });
    await expectProblem(await sendOpen("/things", "POST", headers["content-type"]), 401, "invalid-signature");
    await open.put({ id: "urn:example:open", text: td });
    const id = thingPath("urn:example:open");
    await expectProblem(await sendOpen(id, "PATCH", "application/merge-patch+json"), 401, "invalid-signature");
    await expectProblem(await open.fetch(id, { method: "DELETE", headers: wrong }), 401, "invalid-signature");
  });

  test("and a token may come together; both must hold", async () => {
    const both = (headers: Record<string, string>) => heartbeat({ body, headers });
    await expectProblem(await both({ authorization: "Bearer wrong" }), 401, "token-required");
    await expectProblem(await both({ ...operator, signature: "sig1=:AAAA:" }), 401, "invalid-signature");
    await nobodyRenewed();
    expect((await both(operator)).status).toBe(200);
    // The operator's token makes nobody the owner.
    await expectProblem(await heartbeat({ body, headers: operator }, newKey()), 403, "not-controller");
  });

  test("by a key of a did:web must be in authentication", async () => {
    await using web = await startDidWebHost();
    const did = web.did("a");
    const [signer, sender] = [0, 1].map(() => generateSigningKey({ web: did.slice("did:web:".length) }));
    if (signer === undefined || sender === undefined) throw new Error("no keys");
    const methodOf = ({ id, publicKeyMultibase }: typeof signer) => ({
      id,
      type: "Multikey",
      controller: did,
      publicKeyMultibase,
    });
    web.host("a", {
      id: did,
      verificationMethod: [methodOf(signer), methodOf(sender)],
      assertionMethod: [signer.id],
      authentication: [sender.id],
    });
    const td = signedTd({ key: loadSigningKey(signer) });
    expect((await registry.put(td)).status).toBe(201);
    const refused = await heartbeat({ body }, loadSigningKey(signer), registry, td.id);
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({
      detail: expect.stringContaining('not among the keys in "authentication"'),
    });
    expect((await heartbeat({ body }, loadSigningKey(sender), registry, td.id)).status).toBe(200);
    // And the other way round: what signs requests does not sign documents.
    const forged = signedTd({ key: loadSigningKey(sender) });
    await expectProblem(await registry.put(forged), 400, "invalid-proof");
  });

  test("by a DID whose host does not answer is to be tried again", async () => {
    await using web = await startDidWebHost();
    const did = web.did("b");
    web.host("b", "", 503);
    const by = loadSigningKey(generateSigningKey({ web: did.slice("did:web:".length) }));
    await expectProblem(await heartbeat({ body }, by), 503, "did-unavailable");
  });
});

describe("a signed request counts once", () => {
  const publicUrl = "https://registry.example";
  const body = '{"ttl":3600}';

  test("also if it comes again and again, at once", async () => {
    const path = `${thingPath(document.id)}/heartbeat`;
    const request = signedRequest(registry, path, key, { body });
    const answers = await Promise.all(Array.from({ length: 8 }, () => registry.fetch(path, request)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array<number>(7).fill(409)]);
    await expectProblem(await registry.fetch(path, request), 409, "request-replayed");
    expect((await heartbeat({ body })).status).toBe(200);
  });

  test("and its nonce is gone, though the act was refused", async () => {
    const nonce = randomUUID();
    await expectProblem(await heartbeat({ nonce, body }, key, registry, "urn:example:nothing"), 404, "not-found");
    await expectProblem(await heartbeat({ nonce, body }), 409, "request-replayed");
  });

  test("at all nodes of a database, and after a restart", async () => {
    await using db = await createTestDatabase();
    const start = () => startTestService({ publicUrl }, { place: db.place, database: db });
    const [one, two] = [await start(), await start()];
    await one.put(document);
    const path = `${thingPath(document.id)}/heartbeat`;
    const request = signedRequest(one, path, key, { body });
    expect((await one.fetch(path, request)).status).toBe(200);
    await expectProblem(await two.fetch(path, request), 409, "request-replayed");
    await Promise.all([one.close(), two.close()]);
    await using again = await start();
    await expectProblem(await again.fetch(path, request), 409, "request-replayed");
    expect((await again.fetch(path, signedRequest(again, path, key, { body }))).status).toBe(200);
  });

  test("and of one controller not too many are taken", async () => {
    const start = Date.now();
    await using db = await createTestDatabase();
    await using small = await startTestService({ publicUrl }, { place: db.place, database: db });
    await small.put(document);
    const expires = new Date(start + 120_000).toISOString();
    await db.orm.execute(
      `insert into request_nonces (key, controller, expires)
       select sha256(n::text::bytea), '${key.controller}', '${expires}'::timestamptz
       from generate_series(1, ${limits.requestNoncesPerControllerMax}) n`,
    );
    const refused = await heartbeat({ body }, key, small);
    const retryAfter = Number(refused.headers.get("retry-after"));
    await expectProblem(refused, 429, "too-many-requests");
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(120);
  });
});

/** A request whose line and headers are exactly as given, `Host` included. */
async function raw(options: {
  path: string;
  headers: Record<string, string>;
  body: string;
}): Promise<{ status: number | undefined; text: string }> {
  const { host, port } = registry.service.address;
  const outgoing = httpRequest({
    host,
    port,
    path: options.path,
    method: "POST",
    headers: options.headers,
    agent: false,
  });
  outgoing.end(options.body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += String(chunk);
  return { status: response.statusCode, text };
}
