import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { createEgress } from "../../src/base/egress.ts";
import { digestOf } from "../../src/base/ids.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { type LogEntry, logStart } from "../../src/db/public-log.ts";
import { verifyProof } from "../../src/identity/proof.ts";
import { createDidResolver } from "../../src/identity/resolver.ts";
import { newKey, type SignedTd, signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import { adminToken, problemOf, startTestService, type TestService, thingPath } from "../support/service.ts";

const operator = { authorization: `Bearer ${adminToken}` };
const tombstone = { "content-type": "application/activity+json" };
const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1000);

interface Version {
  digest: string;
  href: string;
  kind: string;
  current: boolean;
  verificationMethod: string | null;
  created: string | null;
  accepted: string;
}

let registry: TestService;

beforeAll(async () => {
  registry = await startTestService({ admission: "open" });
});

afterAll(() => registry.close());

async function getJson<Body>(path: string, service = registry): Promise<Body> {
  const response = await service.fetch(path);
  expect(response.status, path).toBe(200);
  return (await response.json()) as Body;
}

const page = (query = "", service = registry) =>
  getJson<{ entries: LogEntry[]; next: number | null }>(`/log${query}`, service);

/** What the log says of one thing, once it has so many entries of it. */
async function logOf(id: string, count: number): Promise<LogEntry[]> {
  let found: LogEntry[] = [];
  await expect
    .poll(async () => {
      found = (await page("?limit=1000")).entries.filter((entry) => entry.id === id);
      return found.length;
    })
    .toBe(count);
  return found;
}

/** A thing with three versions, the last of which is its tombstone. */
async function retractedThing(): Promise<SignedTd[]> {
  const first = signedTd({ created: secondsAgo(30) });
  const second = signedTd({ key: first.key, created: secondsAgo(20), members: { id: first.id, title: "Second" } });
  const last = signedTombstone(first.id, first.key, secondsAgo(10));
  expect((await registry.put(first)).status).toBe(201);
  expect((await registry.put(second)).status).toBe(204);
  expect((await registry.put(last, tombstone)).status).toBe(204);
  return [first, second, last];
}

const versionPath = (id: string, document: string) => `${thingPath(id)}/versions/${digestOf(document)}`;

describe("GET /log", () => {
  test("tells of each change with the digest of its document, and of no contents", async () => {
    const versions = await retractedThing();
    const [first] = versions;
    const entries = await logOf(first?.id ?? "", 3);
    expect(entries.map(({ kind }) => kind)).toEqual(["created", "updated", "retracted"]);
    expect(entries.map(({ digest }) => digest)).toEqual(versions.map(({ text }) => digestOf(text)));
    for (const entry of entries) {
      expect(Object.keys(entry).toSorted()).toEqual(["at", "controller", "digest", "hash", "id", "kind", "seq"]);
      expect(entry.controller).toBe(first?.key.controller);
    }
  });

  test("tells of what the operator takes out, signed or not", async () => {
    const signed = signedTd();
    const unsigned = { id: "urn:example:log:unsigned", text: JSON.stringify(tdOf({ id: "urn:example:log:unsigned" })) };
    for (const { id, text } of [signed, unsigned]) {
      await registry.put({ id, text });
      expect((await registry.fetch(thingPath(id), { method: "DELETE", headers: operator })).status).toBe(204);
    }
    expect((await logOf(signed.id, 2)).at(-1)).toMatchObject({ kind: "unlisted", digest: null });
    const removed = await logOf(unsigned.id, 2);
    expect(removed.at(-1)).toMatchObject({ kind: "removed", controller: null, digest: null });
  });

  test("comes in pages; those that are full and have a successor never change", async () => {
    await retractedThing();
    await expect.poll(async () => (await page("?limit=3")).next).toBe(3);
    const full = await registry.fetch("/log?limit=2");
    expect(full.headers.get("cache-control")).toMatch(/immutable/);
    expect(await full.json()).toMatchObject({ entries: [{ seq: 1 }, { seq: 2 }], next: 2 });
    expect((await page("?after=2&limit=1")).entries).toMatchObject([{ seq: 3 }]);

    const last = await registry.fetch("/log?limit=1000");
    expect(last.headers.get("cache-control")).toBe("no-cache");
    const { entries } = (await last.json()) as { entries: LogEntry[] };
    const exact = await registry.fetch(`/log?limit=${entries.length}`);
    expect(exact.headers.get("cache-control"), "full, but the last one: `next` will change").toBe("no-cache");
    expect(await page(`?after=${entries.length + 10}`)).toEqual({ entries: [], next: null });
    expect(await page(`?after=${Number.MAX_SAFE_INTEGER}&limit=1000`)).toEqual({ entries: [], next: null });
  });

  test.each(["?limit=0", "?limit=1001", "?limit=x", "?after=-1", "?after=1.5", "?after=1e300", "?before=1"])(
    "refuses %s",
    async (query) => {
      const refused = await registry.fetch(`/log${query}`);
      expect(refused.status).toBe(400);
      expect(await problemOf(refused)).toBe("invalid-parameter");
    },
  );
});

describe("GET /log/head", () => {
  async function verified(service: TestService) {
    const head = await getJson<JsonObject>("/log/head", service);
    const egress = createEgress({ allowPrivateAddresses: true });
    try {
      const resolver = createDidResolver({ egress, clock: systemClock, allowPrivateAddresses: true });
      return { head, verification: await verifyProof(head, { resolver, clock: systemClock }) };
    } finally {
      await egress.close();
    }
  }

  test("is signed by the key in the registry's DID document, also before the first entry", async () => {
    await using empty = await startTestService();
    const { head, verification } = await verified(empty);
    const did = `did:web:localhost%3A${empty.service.address.port}`;
    expect(head).toMatchObject({ registry: did, ...logStart });
    expect(verification).toMatchObject({ controller: did, verificationMethod: `${did}#assertion` });
    expect(Date.parse(verification.created)).toBe(Date.parse(String(head["time"])));
  });

  test("has the last entry's number and hash", async () => {
    const [{ id } = { id: "" }] = await retractedThing();
    const last = (await logOf(id, 3)).at(-1);
    const { head } = await verified(registry);
    expect(head).toMatchObject({ seq: last?.seq, hash: last?.hash });
    expect(Object.keys(head)).toEqual(["registry", "seq", "hash", "time", "proof"]);
    expect((await registry.fetch("/log/head")).headers.get("cache-control")).toBe("no-cache");
  });
});

test("a registry that is read with a token shows neither log nor versions without it", async () => {
  await using closed = await startTestService({ readAccess: "token" });
  const document = signedTd();
  await closed.put(document, operator);
  for (const path of ["/log", "/log/head", versionPath(document.id, document.text)]) {
    expect((await closed.fetch(path)).status, path).toBe(401);
    const response = await closed.fetch(path, { headers: operator });
    expect(response.status, path).toBe(200);
    expect(response.headers.get("cache-control"), "shared caches must not keep it").not.toMatch(/public|s-maxage/);
  }
});

describe("the versions of an entry", () => {
  let documents: SignedTd[];
  let id: string;

  beforeEach(async () => {
    documents = await retractedThing();
    id = documents[0]?.id ?? "";
  });

  test("are listed with digest, key, instants and where their bytes are, also once it is retracted", async () => {
    const { versions } = await getJson<{ versions: Version[] }>(`${thingPath(id)}/versions`);
    expect(versions.map(({ digest }) => digest)).toEqual(documents.map(({ text }) => digestOf(text)).toReversed());
    expect(versions.map(({ kind }) => kind)).toEqual(["tombstone", "description", "description"]);
    expect(versions.map(({ current }) => current)).toEqual([true, false, false]);
    for (const version of versions) {
      expect(version.verificationMethod).toBe(documents[0]?.key.id);
      expect(Date.parse(version.created ?? "")).toBeLessThan(Date.parse(version.accepted));
      const bytes = await (await fetch(version.href)).text();
      expect(documents.map(({ text }) => text)).toContain(bytes);
      expect(digestOf(bytes)).toBe(version.digest);
    }
  });

  test.each([
    [0, "application/td+json"],
    [2, "application/activity+json"],
  ])("are served byte for byte: number %i as %s", async (index, type) => {
    const { text } = documents[index] ?? { text: "" };
    const response = await registry.fetch(versionPath(id, text));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(type);
    expect(response.headers.get("cache-control")).toMatch(/^max-age=\d{8}, immutable$/);
    expect(await response.text()).toBe(text);
    const etag = response.headers.get("etag") ?? "";
    expect(etag).toBe(`"${digestOf(text)}"`);
    const again = await registry.fetch(versionPath(id, text), { headers: { "if-none-match": etag } });
    expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([304, etag, ""]);
  });

  test.each([
    ["of another digest", digestOf("something else")],
    ["of upper-case digits", digestOf("something else").toUpperCase()],
    ["of a part of a digest", digestOf("something else").slice(1)],
  ])("are not found where there is none %s", async (_, digest) => {
    const response = await registry.fetch(`${thingPath(id)}/versions/${digest}`);
    expect(response.status).toBe(404);
    expect(await problemOf(response)).toBe("not-found");
    expect(response.headers.get("cache-control") ?? "").not.toMatch(/immutable/);
  });

  test("of another entry are not this one's", async () => {
    const other = signedTd();
    await registry.put(other);
    expect((await registry.fetch(versionPath(id, other.text))).status).toBe(404);
  });

  test("are not shown while the operator has unlisted it", async () => {
    const document = signedTd();
    await registry.put(document);
    await registry.fetch(thingPath(document.id), { method: "DELETE", headers: operator });
    for (const path of [`${thingPath(document.id)}/versions`, versionPath(document.id, document.text)]) {
      const response = await registry.fetch(path);
      expect(response.status, path).toBe(404);
    }
  });

  test("of an unsigned one are its documents as they are stored, not enriched", async () => {
    const unsignedId = "urn:example:log:versions";
    const texts = ["One", "Two", "One"].map((title) => JSON.stringify(tdOf({ id: unsignedId, title })));
    for (const text of texts) await registry.put({ id: unsignedId, text });
    const { versions } = await getJson<{ versions: Version[] }>(`${thingPath(unsignedId)}/versions`);
    expect(versions).toHaveLength(3);
    for (const { href, digest, verificationMethod } of versions) {
      const bytes = await (await fetch(href)).text();
      expect([digestOf(bytes), verificationMethod]).toEqual([digest, null]);
      expect(bytes).not.toContain("registration");
    }
    await registry.fetch(thingPath(unsignedId), { method: "DELETE", headers: operator });
    expect((await registry.fetch(new URL(versions[0]?.href ?? "").pathname)).status).toBe(404);
  });
});

test("an id that itself ends like the path of a version is looked up whole", async () => {
  const parent = signedTd({ members: { id: "urn:example:log:parent" } });
  const child = signedTd({
    members: { id: `urn:example:log:parent/versions/${digestOf(parent.text)}` },
    key: newKey(),
  });
  await registry.put(parent);
  const path = `/things/${child.id}`;
  expect(await (await registry.fetch(path)).text()).toBe(parent.text);
  await registry.put(child);
  expect(await (await registry.fetch(path)).text()).toBe(child.text);
  const { versions } = await getJson<{ versions: Version[] }>(`${path}/versions`);
  expect(versions).toMatchObject([{ digest: digestOf(child.text) }]);
  expect(await (await fetch(versions[0]?.href ?? "")).text()).toBe(child.text);
});
