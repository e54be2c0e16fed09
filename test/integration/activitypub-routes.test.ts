import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Did, entryKeyOf, type EntryKey, type ThingId } from "../../src/base/ids.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { limits } from "../../src/base/limits.ts";
import { Problem } from "../../src/base/problem.ts";
import type { EntriesListQuery, FederationPort, InboxRequest, ListView } from "../../src/http/federation-port.ts";
import { newKey, signedTd } from "../support/descriptions.ts";
import { type FederatedApp, startFederatedApp } from "../support/federated-app.ts";
import { adminToken, problemOf, signedRequest, startTestService, thingPath } from "../support/service.ts";

const activityJson = "application/activity+json";
const profile = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"';
const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
const evil = "</bdi></title><script>alert(1)</script>\u202egnihT\u200b\u0007";

const received: InboxRequest[] = [];
const lists: EntriesListQuery[] = [];
const digestViews: { prefix: string; view: ListView }[] = [];
const objects = new Map<EntryKey, JsonObject>();
const staleOrigins = new Set<string>();
let answerOfInbox: () => ReturnType<FederationPort["receive"]> = async () => null;

const federation: Partial<FederationPort> = {
  actor: () => ({ type: "Application", preferredUsername: "registry", name: evil }),
  webFinger: (resource) => (resource === "acct:registry@registry.example" ? { subject: resource } : null),
  nodeInfo: async () => ({ version: "2.1" }),
  async receive(request) {
    received.push(request);
    return answerOfInbox();
  },
  outbox: async (page) => ({ type: "OrderedCollection", of: "outbox", page }),
  followers: async (page) => ({ type: "OrderedCollection", of: "followers", page }),
  following: async (page) => ({ type: "OrderedCollection", of: "following", page }),
  object: async (key) => objects.get(key) ?? null,
  async entries(query) {
    lists.push(query);
    return { type: "OrderedCollectionPage" };
  },
  async digests(prefix, view) {
    digestViews.push({ prefix, view });
    return { prefix, epoch: "one" };
  },
  isFollower: async ({ headers, url }) =>
    headers.get("signature") === "of a follower" && url.startsWith("https://registry.example/"),
  isStale: (origin) => staleOrigins.has(origin),
};

let app: FederatedApp;
beforeAll(async () => {
  app = await startFederatedApp(federation);
});
afterAll(() => app[Symbol.asyncDispose]());

const get = (path: string, accept = activityJson) => app.request(path, { headers: { accept } });
const typeOf = (response: Response) => response.headers.get("content-type");

/** Registers a thing, and lets the federation have a Note of it. */
async function publish(members: JsonObject): Promise<{ id: string; key: EntryKey; did: string }> {
  const document = signedTd({ key: newKey(), members });
  expect((await app.registry.put(document)).status).toBe(201);
  const did = document.key.controller;
  const key = entryKeyOf(did as Did, document.id as ThingId);
  objects.set(key, { type: "Note", id: `${app.publicUrl}/entries/${key}` });
  return { id: document.id, key, did };
}

test("without federation, nothing of it is there, and the answer says why", async () => {
  await using plain = await startTestService();
  const paths = [
    "/.well-known/webfinger?resource=acct:registry@localhost",
    "/.well-known/nodeinfo",
    "/nodeinfo/2.1",
    "/actor",
    "/outbox",
    "/followers",
    "/following",
    "/entries",
    "/entries/digests",
    `/entries/${"0".repeat(64)}`,
  ];
  for (const path of paths) {
    const response = await plain.request(path);
    expect(response.status, path).toBe(404);
    expect(((await response.json()) as { detail: string }).detail, path).toContain("FEDERATION is off");
  }
  const posted = await plain.request("/inbox", { method: "POST", body: "x".repeat(100) });
  expect([posted.status, await problemOf(posted)]).toEqual([404, "not-found"]);
});

describe("WebFinger and NodeInfo", () => {
  test("lead to the actor, for pages of other origins as well", async () => {
    const resource = "acct%3Aregistry%40registry.example";
    const response = await get(`/.well-known/webfinger?resource=${resource}&rel=self&rel=avatar`, "*/*");
    expect(typeOf(response)).toBe("application/jrd+json");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(await response.json()).toEqual({ subject: "acct:registry@registry.example" });
    expect(await problemOf(await get("/.well-known/webfinger?resource=acct:other@registry.example"))).toBe("not-found");
    expect(await problemOf(await get("/.well-known/webfinger"))).toBe("invalid-parameter");

    const links = (await (await get("/.well-known/nodeinfo", "*/*")).json()) as { links: { href: string }[] };
    expect(links.links[0]?.href).toBe("https://registry.example/nodeinfo/2.1");
    const nodeInfo = await get("/nodeinfo/2.1", "*/*");
    expect(typeOf(nodeInfo)).toContain("nodeinfo.diaspora.software/ns/schema/2.1#");
    expect(await nodeInfo.json()).toEqual({ version: "2.1" });
  });
});

describe("the actor and the collections", () => {
  test.each([
    ["*/*", activityJson],
    [activityJson, activityJson],
    [profile, profile],
    ["application/ld+json", profile],
    [`${profile}, application/activity+json`, profile],
    ["application/json", "application/json"],
    [browser, "text/html; charset=UTF-8"],
  ])("whoever accepts %s is answered in %s", async (accept, expected) => {
    const response = await get("/actor", accept);
    expect(typeOf(response)).toBe(expected);
    expect(response.headers.get("vary")).toContain("accept");
  });

  test("are not for who takes none of their types", async () => {
    expect(await problemOf(await get("/actor", "image/png"))).toBe("not-acceptable");
    expect(await problemOf(await get("/outbox", "text/html"))).toBe("not-acceptable");
  });

  test("pages are named by the query", async () => {
    for (const of of ["outbox", "followers", "following"]) {
      expect(await (await get(`/${of}`)).json()).toMatchObject({ of, page: null });
      const page = await get(`/${of}?page=next.1`);
      expect(typeOf(page)).toBe(activityJson);
      expect(await page.json()).toMatchObject({ of, page: "next.1" });
      expect(await problemOf(await get(`/${of}?cursor=1`))).toBe("invalid-parameter");
    }
  });
});

describe("the inbox", () => {
  const post = (
    body: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = { "content-type": activityJson },
  ) => app.request("/inbox", { method: "POST", headers, body });

  test("hands on exactly what was sent, under the URL that others know", async () => {
    const body = '{ "type": "Follow",\n "é": 1 }';
    const response = await app.request("http://elsewhere.example/inbox?a=%20b", {
      method: "POST",
      headers: { "content-type": profile, host: "elsewhere.example", signature: "sig" },
      body,
    });
    expect([response.status, await response.text()]).toEqual([202, ""]);
    const [request] = received.splice(0);
    expect(request).toMatchObject({ method: "POST", url: "https://registry.example/inbox?a=%20b", address: null });
    expect(request?.headers.get("signature")).toBe("sig");
    expect(Buffer.from(request?.body ?? []).toString("utf8")).toBe(body);
  });

  test("answers with verdicts, or with the problem", async () => {
    answerOfInbox = async () => ({ verdicts: [{ outcome: "taken", changed: true }] });
    const response = await post("{}");
    expect([response.status, await response.json()]).toEqual([
      202,
      { verdicts: [{ outcome: "taken", changed: true }] },
    ]);
    answerOfInbox = async () => {
      throw new Problem("peer-refused", "The peer is blocked.");
    };
    expect(await problemOf(await post("{}"))).toBe("peer-refused");
    answerOfInbox = async () => null;
    received.length = 0;
  });

  test("takes bodies up to its own limit, of its own types", async () => {
    const largest = new Uint8Array(limits.inboxBytesMax).fill(0x20);
    expect((await post(largest)).status).toBe(202);
    const tooLarge = await post(new Uint8Array(limits.inboxBytesMax + 1));
    expect([tooLarge.status, await problemOf(tooLarge)]).toEqual([413, "document-too-large"]);
    expect((await post("{}", { "content-type": "text/plain" })).status).toBe(415);
    expect((await post("{}", { "content-type": activityJson, "content-encoding": "gzip" })).status).toBe(415);
    expect(received.splice(0).map(({ body }) => body.length)).toEqual([limits.inboxBytesMax]);
    expect((await get("/inbox")).status).toBe(405);
  });
});

describe("the list of entries", () => {
  test("is asked for what the query says", async () => {
    expect(typeOf(await get("/entries"))).toBe(activityJson);
    const [keyA, keyB] = ["a".repeat(64), "b".repeat(64)];
    await get("/entries?after=e.1.2&limit=7&capability=getWeather&capability=x&lang=de&to=https://a.example");
    await get(`/entries?key=${keyA}&key=${keyB}`);
    await get("/entries?from=https://b.example:8443&after=e.0.0");
    const nothing = { filter: null, to: null, after: null, limit: limits.entriesPageMax, keys: [], from: null };
    expect(lists.splice(0)).toEqual([
      nothing,
      {
        ...nothing,
        filter: { capability: ["getWeather", "x"], type: [], lang: ["de"] },
        to: "https://a.example",
        after: "e.1.2",
        limit: 7,
      },
      { ...nothing, keys: [keyA, keyB] },
      { ...nothing, from: "https://b.example:8443", after: "e.0.0" },
    ]);

    expect(await (await get("/entries/digests?prefix=0a&type=lmos:Agent&to=https://a.example", "*/*")).json()).toEqual({
      prefix: "0a",
      epoch: "one",
    });
    expect(digestViews.splice(0)).toEqual([
      { prefix: "0a", view: { filter: { capability: [], type: ["lmos:Agent"], lang: [] }, to: "https://a.example" } },
    ]);
  });

  const terms = (count: number) => Array.from({ length: count }, (_, index) => `capability=c${index}`).join("&");
  const keys = (count: number) => Array.from({ length: count }, () => `key=${"0".repeat(64)}`).join("&");

  test.each([
    ["limit", "entries?limit=0"],
    ["limit", `entries?limit=${limits.entriesPageMax + 1}`],
    ["capabilities", "entries?capabilities=x"],
    ["capability", "entries?capability="],
    ["capability", `entries?capability=${"x".repeat(limits.followTermBytesMax + 1)}`],
    ["filter", `entries?${terms(limits.followTermsMax)}&lang=de`],
    ["key", "entries?key=abc"],
    ["key", `entries?${keys(limits.entriesByKeyMax + 1)}`],
    ["key", `entries?key=${"0".repeat(64)}&after=e.0.0`],
    ["to", "entries?to=registry.example"],
    ["to", "entries?to=https://a.example/"],
    ["from", "entries?from=javascript:alert(1)"],
    ["from", "entries?from=https://user@a.example"],
    ["prefix", "entries/digests?prefix=XY"],
    ["limit", "entries/digests?limit=1"],
  ])("refuses what is wrong, and names the parameter: %s", async (field, path) => {
    const response = await get(`/${path}`);
    expect(response.status).toBe(400);
    const { validationErrors } = (await response.json()) as { validationErrors: { field: string }[] };
    expect(validationErrors[0]?.field.split(".")[0]).toBe(field);
    expect([lists, digestViews]).toEqual([[], []]);
  });

  test("takes as many terms and keys as the limits say", async () => {
    expect((await get(`/entries?${terms(limits.followTermsMax)}`)).status).toBe(200);
    expect((await get(`/entries?${keys(limits.entriesByKeyMax)}`)).status).toBe(200);
    lists.length = 0;
  });
});

describe("an entry", () => {
  test("is a Note, then a Tombstone, or nothing", async () => {
    const key = "c".repeat(64) as EntryKey;
    expect((await get(`/entries/${key}`)).status).toBe(404);
    objects.set(key, { type: "Note" });
    const note = await get(`/entries/${key}`);
    expect([note.status, typeOf(note), await note.json()]).toEqual([200, activityJson, { type: "Note" }]);
    objects.set(key, { type: "Tombstone", formerType: "Note", deleted: evil });
    const gone = await get(`/entries/${key}`);
    expect([gone.status, typeOf(gone)]).toEqual([410, activityJson]);
    const page = await get(`/entries/${key}`, browser);
    expect(page.status).toBe(410);
    expect(await page.text()).not.toContain("<script>");
    for (const other of ["C".repeat(64), "c".repeat(63), "digest", `${key}/x`]) {
      expect((await get(`/entries/${other}`)).status, other).toBe(404);
    }
  });

  test("is a page for browsers, in which a stranger's texts can do nothing", async () => {
    const { id, key, did } = await publish({
      title: evil,
      description: `<img src=x onerror=alert(1)>${evil}`,
      "@type": ["Thing", evil],
      actions: { '"><script>': { title: evil, description: evil, forms: [{ href: "javascript:alert(1)" }] } },
    });
    const response = await get(`/entries/${key}`, browser);
    const page = await response.text();
    expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'none';(?!.*script-src)/);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(page).not.toMatch(/<(script|img)/i);
    expect(page).not.toContain("javascript:");
    // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
    expect(page).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f\u200b\u202a-\u202e\u2066-\u2069]/);
    expect(page).toContain("<bdi>&lt;/bdi&gt;&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;gnihT</bdi>");
    expect(page).toContain(did);
    expect(page).toContain("verified since ");
    expect(page).toContain("self: <bdi>Signed by the key");
    expect(page).toContain(`href="https://registry.example${thingPath(id)}/registration" rel="nofollow noopener"`);
    for (const [, href = ""] of page.matchAll(/href="([^"]*)"/g))
      expect(href).toMatch(/^https:\/\/registry\.example\//);

    const actor = await (await get("/actor", browser)).text();
    expect(actor).not.toContain("<script>");
    expect(actor).toContain("@registry@registry.example");
  });

  test("the page says where it came from, and links only to the web", async () => {
    const { key } = await publish({ title: "From elsewhere" });
    const setOrigin = (origin: string) =>
      app.db.orm.execute(sql`update entries set origin = ${origin} where key = decode(${key}, 'hex')`);
    await setOrigin("https://peer.example");
    staleOrigins.add("https://peer.example");
    const page = await (await get(`/entries/${key}`, browser)).text();
    expect(page).toContain(
      '<a href="https://peer.example/" rel="nofollow noopener"><bdi>https://peer.example</bdi></a>',
    );
    expect(page).toContain("has not been heard for long");
    await setOrigin("javascript:alert(1)");
    expect(await (await get(`/entries/${key}`, browser)).text()).not.toContain('href="javascript:');
  });

  test("the page is not there for what not everybody may find", async () => {
    const { key } = await publish({ title: "Hidden" });
    await app.db.orm.execute(sql`update entries set visibility = 'by-id' where key = decode(${key}, 'hex')`);
    expect((await get(`/entries/${key}`, browser)).status).toBe(404);
  });
});

describe("where reading needs a token", () => {
  let closed: FederatedApp;
  beforeAll(async () => {
    closed = await startFederatedApp(federation, { readAccess: "token" });
  });
  afterAll(() => closed[Symbol.asyncDispose]());

  const statusOf = async (path: string, headers: Record<string, string> = {}, method = "GET") =>
    (await closed.request(path, { method, headers })).status;
  const signature = { signature: "of a follower", "signature-input": "sig" };

  test("whoever wants to follow finds the actor, and the inbox decides by itself", async () => {
    expect(await statusOf("/actor")).toBe(200);
    expect(await statusOf("/actor", {}, "HEAD")).toBe(200);
    expect(await statusOf("/.well-known/webfinger?resource=acct:registry@registry.example")).toBe(200);
    expect(await statusOf("/.well-known/nodeinfo")).toBe(200);
    expect(await statusOf("/nodeinfo/2.1")).toBe(200);
    expect(await statusOf("/inbox", { "content-type": activityJson }, "POST")).toBe(202);
    expect(await statusOf("/inbox")).toBe(401);
  });

  test("lists and entries are for readers and for accepted followers", async () => {
    for (const path of ["/entries", "/entries/digests", `/entries/${"c".repeat(64)}`, "/outbox"]) {
      expect(await statusOf(path), path).toBe(401);
      expect(await statusOf(path, { ...signature, signature: "of a stranger" }), path).toBe(401);
      expect(await statusOf(path, signature), path).not.toBe(401);
      expect(await statusOf(path, { authorization: `Bearer ${adminToken}` }), path).not.toBe(401);
    }
  });

  test("an accepted follower reads nothing else, and writes nothing", async () => {
    for (const path of [
      "/search",
      "/things",
      "/things/urn:a:1",
      "/events",
      "/log",
      "/followers",
      "/following",
      "/peers",
    ]) {
      expect(await statusOf(path, signature), path).toBe(401);
    }
    expect(await statusOf("/entries", signature, "POST")).toBe(401);
    expect(await statusOf("/entries/a/b", signature)).toBe(401);
  });

  test("an owner's signature is not that of a follower", async () => {
    const signed = signedRequest(closed.registry, "/entries", newKey(), { method: "GET" });
    expect((await closed.request("/entries", { headers: signed.headers })).status).toBe(401);
  });
});
