import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/base/limits.ts";
import { signDocument } from "../../src/identity/sign.ts";
import { newKey, type SignedTd, signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import { adminToken, problemOf, startTestService, type TestService, thingPath } from "../support/service.ts";

let registry: TestService;
let openRegistry: TestService;
let tokenRegistry: TestService;

beforeAll(async () => {
  registry = await startTestService();
  openRegistry = await startTestService({ admission: "open" });
  tokenRegistry = await startTestService({ admission: "token" });
});
afterAll(async () => {
  await Promise.all([registry, openRegistry, tokenRegistry].map((one) => one?.close()));
});

const seconds = (offset: number) => new Date(Date.now() + offset * 1000);
const td = { "content-type": "application/td+json" };

const put = (to: TestService, document: Pick<SignedTd, "id" | "text">, headers: Record<string, string> = {}) =>
  to.request(thingPath(document.id), { method: "PUT", headers: { ...td, ...headers }, body: document.text });
const get = (from: TestService, id: string, rest = "") => from.request(thingPath(id) + rest);
const unsigned = (members = {}) => {
  const json = tdOf(members);
  return { id: String(json["id"]), text: JSON.stringify(json) };
};

describe("a signed description", () => {
  test("is registered once and served byte for byte", async () => {
    const document = signedTd();
    const created = await put(registry, document);
    expect(created.status).toBe(201);
    expect(created.headers.get("location")).toBe(`${registry.service.publicUrl}${thingPath(document.id)}`);
    expect(await created.json()).toMatchObject({
      id: document.id,
      controller: document.key.controller,
      verified: true,
    });

    const read = await get(registry, document.id);
    expect(read.headers.get("content-type")).toBe("application/td+json");
    expect(await read.text()).toBe(document.text);
    expect((await put(registry, document)).status).toBe(204);
  });

  test("adds the registration only where asked", async () => {
    const document = signedTd();
    await put(registry, document);
    expect(await (await get(registry, document.id, "?enriched=true")).json()).toMatchObject({
      ...document.json,
      "@context": [document.json["@context"], "https://www.w3.org/2022/wot/discovery"],
      registration: { created: expect.any(String), modified: expect.any(String) },
    });
  });

  test("has its facts beside it", async () => {
    const document = signedTd();
    await put(registry, document);
    const facts = (await (await get(registry, document.id, "/registration")).json()) as Record<string, unknown>;
    expect(facts).toMatchObject({
      id: document.id,
      state: "active",
      controller: document.key.controller,
      verification: { verified: true, verificationMethod: document.key.id, cryptosuite: "eddsa-jcs-2022" },
      provenance: { door: "http", origin: null },
      equivocal: false,
    });
  });

  test("is replaced by a newer version, and both are in its history", async () => {
    const first = signedTd({ created: seconds(-20) });
    const second = signedTd({ key: first.key, created: seconds(-10), members: { id: first.id, title: "Second" } });
    await put(registry, first);
    expect((await put(registry, second)).status).toBe(204);
    expect(await (await get(registry, first.id)).text()).toBe(second.text);
    const history = (await (await get(registry, first.id, "/versions")).json()) as { versions: unknown[] };
    expect(history.versions).toMatchObject([{ current: true }, { current: false }]);
  });

  test("does not give way to an older version", async () => {
    const first = signedTd({ created: seconds(-20) });
    const second = signedTd({ key: first.key, created: seconds(-10), members: { id: first.id } });
    await put(registry, second);
    const refused = await put(registry, first);
    expect(refused.status).toBe(409);
    expect(await problemOf(refused)).toBe("version-not-newer");
    expect(await (await get(registry, first.id)).text()).toBe(second.text);
  });

  test("belongs to its controller", async () => {
    const mine = signedTd();
    await put(registry, mine);
    const theirs = signedTd({ key: newKey(), created: seconds(1), members: { id: mine.id } });
    const refused = await put(registry, theirs);
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({
      type: "urn:thingstead:problem:not-controller",
      controller: mine.key.controller,
    });
    expect(await (await get(registry, mine.id)).text()).toBe(mine.text);
  });

  test("respelled by somebody else is the same version, and changes nothing", async () => {
    const document = signedTd();
    await put(registry, document);
    const respelled = { id: document.id, text: JSON.stringify(document.json, null, 7) };
    expect((await put(registry, respelled)).status).toBe(204);
    expect(await (await get(registry, document.id)).text()).toBe(document.text);
    expect(await (await get(registry, document.id, "/registration")).json()).toMatchObject({ equivocal: false });
  });

  test("of one instant in two forms: the higher digest stands, the entry is flagged, both are kept", async () => {
    const created = seconds(-5);
    const one = signedTd({ created, members: { title: "One" } });
    const other = signedTd({ created, key: one.key, members: { id: one.id, title: "Other" } });
    const statuses = [(await put(registry, one)).status, (await put(registry, other)).status];
    const standing = await (await get(registry, one.id)).text();

    const again = signedTd({ created, key: one.key, members: { id: one.id, title: "Other" } });
    expect(statuses[1] === 204 ? again.text : one.text).toBe(standing);
    expect(await (await get(registry, one.id, "/registration")).json()).toMatchObject({ equivocal: true });
    const history = (await (await get(registry, one.id, "/versions")).json()) as { versions: unknown[] };
    expect(history.versions).toHaveLength(2);
  });

  test("can be from five minutes ahead, but not from later", async () => {
    const skewSeconds = limits.clockSkewMsMax / 1000;
    expect((await put(registry, signedTd({ created: seconds(skewSeconds - 2) }))).status).toBe(201);
    const refused = await put(registry, signedTd({ created: seconds(skewSeconds + 2) }));
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ validationErrors: [{ field: "/proof/created" }] });
  });

  test("whose id is a DID must be signed by that DID", async () => {
    const key = newKey();
    expect((await put(registry, signedTd({ key, members: { id: key.controller } }))).status).toBe(201);
    const refused = await put(registry, signedTd({ key, members: { id: newKey().controller } }));
    expect(refused.status).toBe(403);
    expect(await problemOf(refused)).toBe("not-controller");
  });

  test("without an id is refused", async () => {
    const { id: _, ...anonymous } = tdOf();
    const signed = JSON.stringify(signDocument(anonymous, newKey(), { created: new Date() }));
    const refused = await registry.request("/things", { method: "POST", headers: td, body: signed });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ validationErrors: [{ field: "/id" }] });
  });

  test("is not repaired, even where an unsigned one would be", async () => {
    const document = signedTd({ members: { "@type": "lmos:Agent", id: "chatagent" } });
    expect((await put(registry, document)).status).toBe(400);
  });

  test("cannot be deleted or patched by others", async () => {
    const document = signedTd();
    await put(registry, document);
    const deleted = await registry.request(thingPath(document.id), { method: "DELETE" });
    expect(await problemOf(deleted)).toBe("signed-entry");
    const patched = await registry.request(thingPath(document.id), {
      method: "PATCH",
      headers: { "content-type": "application/merge-patch+json" },
      body: "{}",
    });
    expect(await problemOf(patched)).toBe("signed-entry");
  });

  test("is unlisted, and listed again, by the operator", async () => {
    const document = signedTd();
    const operator = { authorization: `Bearer ${adminToken}` };
    await put(registry, document);
    expect((await registry.request(thingPath(document.id), { method: "DELETE", headers: operator })).status).toBe(204);
    expect((await get(registry, document.id)).status).toBe(404);
    const newer = signedTd({ key: document.key, created: seconds(1), members: { id: document.id } });
    expect(await problemOf(await put(registry, newer))).toBe("entry-unlisted");
    expect((await put(registry, document, operator)).status).toBe(204);
    expect(await (await get(registry, document.id)).text()).toBe(document.text);
  });
});

describe("retraction", () => {
  test("leaves the tombstone at the entry's URL, and no old version comes back", async () => {
    const document = signedTd({ created: seconds(-20) });
    const newer = signedTd({ key: document.key, created: seconds(-15), members: { id: document.id } });
    const tombstone = signedTombstone(document.id, document.key, seconds(-10));
    await put(registry, document);
    const retracted = await put(registry, tombstone, { "content-type": "application/activity+json" });
    expect(retracted.status).toBe(204);

    const gone = await get(registry, document.id);
    expect(gone.status).toBe(410);
    expect(await gone.text()).toBe(tombstone.text);
    for (const replayed of [document, newer]) {
      expect(await problemOf(await put(registry, replayed))).toBe("version-not-newer");
    }
    expect((await get(registry, document.id)).status).toBe(410);
    expect(await (await get(registry, document.id, "/registration")).json()).toMatchObject({ state: "retracted" });
    const found = (await (await registry.request("/search?limit=100")).json()) as { items: { id: string }[] };
    expect(found.items.map(({ id }) => id)).not.toContain(document.id);
  });

  test("may arrive before the entry, and wins", async () => {
    const document = signedTd({ created: seconds(-20) });
    const tombstone = signedTombstone(document.id, document.key, seconds(-10));
    expect((await put(registry, tombstone, { "content-type": "application/ld+json" })).status).toBe(204);
    expect(await problemOf(await put(registry, document))).toBe("version-not-newer");
    expect((await get(registry, document.id)).status).toBe(410);
  });

  test("is the controller's alone", async () => {
    const document = signedTd({ created: seconds(-20) });
    await put(registry, document);
    expect(await problemOf(await put(registry, signedTombstone(document.id, newKey())))).toBe("not-controller");
    const { proof: _, ...unsignedTombstone } = signedTombstone(document.id, document.key).json;
    const refused = await put(openRegistry, { id: document.id, text: JSON.stringify(unsignedTombstone) });
    expect(await problemOf(refused)).toBe("invalid-tombstone");
  });

  test("can be followed by a newer description of the same controller", async () => {
    const document = signedTd({ created: seconds(-20) });
    await put(registry, document);
    await put(registry, signedTombstone(document.id, document.key, seconds(-10)));
    const back = signedTd({ key: document.key, created: seconds(-5), members: { id: document.id } });
    expect((await put(registry, back)).status).toBe(201);
    expect((await get(registry, document.id)).status).toBe(200);
  });
});

describe("admission modes", () => {
  test("signed: an unsigned description is refused with the way to sign it", async () => {
    const refused = await put(registry, unsigned());
    expect(refused.status).toBe(403);
    expect(await problemOf(refused)).toBe("proof-required");
  });

  test("token: nobody writes without the token, with it unsigned descriptions too", async () => {
    const document = unsigned();
    const refused = await put(tokenRegistry, signedTd());
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toContain("Bearer");
    expect((await put(tokenRegistry, document, { authorization: "Bearer wrong-token-0123456789" })).status).toBe(401);
    const operator = { authorization: `Bearer ${adminToken}` };
    expect((await put(tokenRegistry, document, operator)).status).toBe(201);
    expect((await get(tokenRegistry, document.id)).status).toBe(200);
  });

  test("open: a signed entry stays its controller's", async () => {
    const mine = signedTd();
    await put(openRegistry, mine);
    expect(await problemOf(await put(openRegistry, { id: mine.id, text: unsigned({ id: mine.id }).text }))).toBe(
      "signed-entry",
    );
  });

  test("open: the first signed description takes over an unsigned entry's id", async () => {
    const document = unsigned();
    await put(openRegistry, document);
    const signed = signedTd({ members: { id: document.id } });
    expect((await put(openRegistry, signed)).status).toBe(201);
    expect(await (await get(openRegistry, document.id)).text()).toBe(signed.text);
  });
});

describe("an unsigned description", () => {
  test("without an id gets a urn:uuid and is served enriched", async () => {
    const { id: _, ...anonymous } = tdOf();
    const created = await openRegistry.request("/things", {
      method: "POST",
      headers: td,
      body: JSON.stringify(anonymous),
    });
    expect(created.status).toBe(201);
    const { id } = (await created.json()) as { id: string };
    expect(id).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const location = new URL(created.headers.get("location") ?? "");
    expect(await (await openRegistry.request(location.pathname)).json()).toMatchObject({
      id,
      title: "Weather agent",
      registration: { created: expect.any(String) },
    });
  });

  test("with an id is not for POST", async () => {
    const refused = await openRegistry.request("/things", { method: "POST", headers: td, body: unsigned().text });
    expect(await refused.json()).toMatchObject({ status: 400, validationErrors: [{ field: "/id" }] });
  });

  test("is patched, and validated again", async () => {
    const document = unsigned();
    await put(openRegistry, document);
    const patch = (body: object) =>
      openRegistry.request(thingPath(document.id), {
        method: "PATCH",
        headers: { "content-type": "application/merge-patch+json" },
        body: JSON.stringify(body),
      });
    expect((await patch({ title: "Patched", description: "New" })).status).toBe(204);
    expect(await (await get(openRegistry, document.id)).json()).toMatchObject({ title: "Patched", description: "New" });
    const refused = await patch({ title: null });
    expect(await refused.json()).toMatchObject({ status: 400, validationErrors: [{ field: "/title" }] });
    expect(await problemOf(await patch({ id: "urn:example:other" }))).toBe("id-mismatch");
  });

  test("is deleted, and its id is free again", async () => {
    const document = unsigned();
    await put(openRegistry, document);
    expect((await openRegistry.request(thingPath(document.id), { method: "DELETE" })).status).toBe(204);
    expect((await get(openRegistry, document.id)).status).toBe(404);
    expect((await openRegistry.request(thingPath(document.id), { method: "DELETE" })).status).toBe(404);
    expect((await put(openRegistry, document)).status).toBe(201);
  });

  test("with a ttl disappears from every read at its instant", async () => {
    const now = { at: new Date() };
    await using service = await startTestService({ admission: "open" }, { clock: { now: () => now.at } });
    const document = unsigned({ registration: { ttl: 60 } });
    await put(service, document);
    expect((await get(service, document.id)).status).toBe(200);
    now.at = seconds(61);
    expect((await get(service, document.id)).status).toBe(404);
    expect(await (await service.request("/things")).json()).toEqual([]);
    expect(await (await service.request("/search")).json()).toMatchObject({ items: [] });
    expect((await put(service, document)).status).toBe(201);
  });

  test("with an expiry in the past is refused", async () => {
    const refused = await put(openRegistry, unsigned({ registration: { expires: "2020-01-01T00:00:00Z" } }));
    expect(await refused.json()).toMatchObject({ status: 400, validationErrors: [{ field: "/registration/expires" }] });
  });

  test("of real LMOS software is repaired, found under its own id, and replaced in place", async () => {
    const agent = (title: string) => ({
      id: "chat agent/1",
      text: JSON.stringify({
        "@context": ["https://www.w3.org/2022/wot/td/v1.1", { lmos: "https://eclipse.dev/lmos/protocol/v1" }],
        "@type": "lmos:Agent",
        id: "chat agent/1",
        title,
      }),
    });
    const created = await put(openRegistry, agent("Chat"));
    expect(created.status).toBe(201);
    const answer = (await created.json()) as { id: string; alias: string; repairs: { field: string }[] };
    expect(answer.alias).toBe("chat agent/1");
    expect(answer.repairs.map(({ field }) => field)).toEqual(["/id", "/@type", "/securityDefinitions", "/security"]);

    expect((await put(openRegistry, agent("Chat again"))).status).toBe(204);
    const byAlias = (await (await get(openRegistry, "chat agent/1")).json()) as { id: string; title: string };
    expect(byAlias).toMatchObject({ id: answer.id, title: "Chat again" });
    expect(await (await get(openRegistry, answer.id)).json()).toMatchObject({ id: answer.id, title: "Chat again" });
    expect((await openRegistry.request(thingPath("chat agent/1"), { method: "DELETE" })).status).toBe(204);
    expect((await get(openRegistry, "chat agent/1")).status).toBe(404);
  });
});

describe("conditions", () => {
  test("If-None-Match: * creates only, If-Match replaces only what was read", async () => {
    const document = unsigned();
    expect((await put(openRegistry, document, { "if-match": "*" })).status).toBe(412);
    expect((await put(openRegistry, document, { "if-none-match": "*" })).status).toBe(201);
    expect((await put(openRegistry, document, { "if-none-match": "*" })).status).toBe(412);
    const etag = (await get(openRegistry, document.id)).headers.get("etag") ?? "";
    const changed = { id: document.id, text: unsigned({ id: document.id, title: "Changed" }).text };
    expect((await put(openRegistry, changed, { "if-match": etag })).status).toBe(204);
    expect((await put(openRegistry, document, { "if-match": etag })).status).toBe(412);
  });

  test("a reader that has the entry gets 304", async () => {
    const document = signedTd();
    await put(registry, document);
    const etag = (await get(registry, document.id)).headers.get("etag") ?? "";
    const again = await registry.request(thingPath(document.id), { headers: { "if-none-match": etag } });
    expect(again.status).toBe(304);
    expect(again.headers.get("etag")).toBe(etag);
    const head = await registry.request(thingPath(document.id), { method: "HEAD" });
    expect([head.status, head.headers.get("etag"), await head.text()]).toEqual([200, etag, ""]);
  });
});

describe("any id", () => {
  const ids = [
    "http://plugfest.example/things/1",
    "https://agents.example/a%20b?x=1&y=%C3%BC",
    "https://agents.example/registration",
    "urn:example:a/versions",
    "urn:example:ünïcode:語",
    "tag:agents.example,2026:/a//b/",
    `urn:example:${"x".repeat(limits.thingIdBytesMax - "urn:example:".length)}`,
  ];
  test.each(ids)("%s is found as it was registered", async (id) => {
    const document = signedTd({ members: { id } });
    expect((await put(registry, document)).status).toBe(201);
    expect(await (await get(registry, id)).text()).toBe(document.text);
    expect(await (await get(registry, id, "/registration")).json()).toMatchObject({ id });
    expect(await (await get(registry, id, "/versions")).json()).toMatchObject({ id });
  });

  test("is found without percent-encoding too, also over the network", async () => {
    const document = signedTd({ members: { id: "http://plugfest.example/things/2" } });
    await registry.put(document);
    expect(await (await registry.fetch("/things/http://plugfest.example/things/2")).text()).toBe(document.text);
    const facts = await registry.fetch("/things/http://plugfest.example/things/2/registration");
    expect(await facts.json()).toMatchObject({ id: document.id });
  });

  test("is as long as its limit allows, no longer", async () => {
    const id = `urn:example:${"x".repeat(limits.thingIdBytesMax - "urn:example:".length + 1)}`;
    expect((await put(registry, signedTd({ members: { id } }))).status).toBe(400);
  });

  test("must be the one in the path", async () => {
    const document = signedTd();
    const refused = await put(registry, { id: "urn:example:other", text: document.text });
    expect(await problemOf(refused)).toBe("id-mismatch");
  });
});

describe("listing", () => {
  test("pages through all things by id, signed ones as signed", async () => {
    await using service = await startTestService();
    const documents = ["b", "a", "c"].map((name) => signedTd({ members: { id: `urn:example:${name}` } }));
    for (const document of documents) await put(service, document);
    const first = await service.request("/things?limit=2");
    expect(((await first.json()) as { id: string }[]).map(({ id }) => id)).toEqual(["urn:example:a", "urn:example:b"]);
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    const second = await service.request(next);
    expect(await second.json()).toEqual([documents[2]?.json]);
    expect(second.headers.get("link")).not.toContain("next");
  });
});
