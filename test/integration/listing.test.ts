import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/base/limits.ts";
import { signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import { adminToken, problemOf, startTestService, type TestService, thingPath } from "../support/service.ts";

const td = { "content-type": "application/td+json" };
const now = { at: new Date() };
let registry: TestService;

/** Ids whose order by code points is none of the usual collations', and differs from that by UTF-16 units. */
const ids = [
  "urn:example:Z",
  "urn:example:a",
  "urn:example:b",
  "urn:example:ä",
  "urn:example:\uFB33",
  "urn:example:\u{1F600}",
];
const ordered = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

const put = (members: object, to = registry) => {
  const json = tdOf(members as Record<string, never>);
  return to.request(thingPath(String(json["id"])), { method: "PUT", headers: td, body: JSON.stringify(json) });
};
const list = (query = "", to = registry) => to.request(`/things${query}`);
const idsOf = async (response: Response) => ((await response.json()) as { id: string }[]).map(({ id }) => id);
const linkOf = (response: Response, rel: string) =>
  new RegExp(`<([^>]*)>; rel="${rel}"`).exec(response.headers.get("link") ?? "")?.[1] ?? null;
const etagOf = (response: Response) =>
  /rel="canonical"; etag=("[^"]*")/.exec(response.headers.get("link") ?? "")?.[1] ?? null;

beforeAll(async () => {
  registry = await startTestService({ admission: "open" }, { clock: { now: () => now.at } });
  for (const id of [...ids].reverse()) expect((await put({ id })).status).toBe(201);
});
afterAll(() => registry?.close());

describe("GET /things", () => {
  test("lists everything by id in code points when no page is asked for", async () => {
    const response = await list();
    expect(response.headers.get("content-type")).toBe("application/ld+json");
    expect(await idsOf(response)).toEqual(ordered);
    expect(linkOf(response, "next")).toBeNull();
    expect(linkOf(response, "canonical")).toBe("/things");
  });

  test("is an empty array where there is nothing", async () => {
    await using empty = await startTestService();
    expect(await (await list("", empty)).json()).toEqual([]);
    expect(await (await list("?limit=5", empty)).json()).toEqual([]);
    expect(await (await list("?format=collection", empty)).json()).toMatchObject({ total: 0, members: [] });
  });

  test.each(["", "&format=collection", "&ids=only", "&format=collection&ids=only"])(
    "is walked by next links, each page at most as long as asked (%s)",
    async (options) => {
      const found: string[] = [];
      let path: string | null = `?limit=4${options}`;
      let offset = 0;
      while (path !== null) {
        const response = await list(path);
        const body = (await response.json()) as unknown;
        const members = Array.isArray(body) ? body : (body as { members: unknown[] }).members;
        expect(members.length).toBeLessThanOrEqual(4);
        found.push(...members.map((member) => (typeof member === "string" ? member : (member as { id: string }).id)));
        expect(etagOf(response)).not.toBeNull();
        const next = linkOf(response, "next");
        offset += 4;
        if (next !== null) {
          const parameters = new URL(next, "http://registry.example").searchParams;
          expect([parameters.get("limit"), parameters.get("offset")]).toEqual(["4", String(offset)]);
        }
        if (!Array.isArray(body)) expect((body as { next?: string }).next ?? null).toBe(next);
        path = next === null ? null : next.slice("/things".length);
      }
      expect(found).toEqual(ordered);
    },
  );

  test("skips by offset", async () => {
    expect(await idsOf(await list("?offset=2&limit=2"))).toEqual(ordered.slice(2, 4));
    expect(await idsOf(await list("?offset=4"))).toEqual(ordered.slice(4));
    expect(await idsOf(await list("?offset=100"))).toEqual([]);
  });

  test("serves no more than its limit in one page, however much is asked for", async () => {
    const response = await list(`?limit=${limits.listPageMax * 10}`);
    expect(response.status).toBe(200);
    expect(await idsOf(response)).toEqual(ordered);
  });

  test("describes the collection where asked", async () => {
    expect(await (await list("?limit=2&format=collection")).json()).toMatchObject({
      "@context": "https://www.w3.org/2022/wot/discovery",
      "@type": "ThingCollection",
      "@id": "/things?limit=2&format=collection",
      total: ordered.length,
      members: [{ id: ordered[0] }, { id: ordered[1] }],
    });
  });

  test.each([
    "?limit=0",
    "?limit=-1",
    "?limit=x",
    "?offset=-1",
    "?format=xml",
    "?after=!",
    "?ids=none",
    "?limit=1&limit=2",
  ])("refuses %s", async (query) => {
    const response = await list(query);
    expect(response.status).toBe(400);
    expect(await problemOf(response)).toBe("invalid-parameter");
  });

  test.each(["?sort_by=created", "?sort_order=desc"])("does not order otherwise: %s", async (query) => {
    expect((await list(query)).status).toBe(501);
  });

  test("HEAD answers with the headers alone", async () => {
    const response = await registry.fetch("/things", { method: "HEAD" });
    expect(response.headers.get("content-type")).toBe("application/ld+json");
    expect(etagOf(response)).toBe(etagOf(await list()));
    expect(await response.text()).toBe("");
  });
});

describe("the entity tag of the listing", () => {
  test("changes with the set of things, and with nothing else", async () => {
    await using service = await startTestService({ admission: "open" }, { clock: { now: () => now.at } });
    const tag = async () => etagOf(await list("?limit=1", service));
    const changes = async (change: () => Promise<unknown>): Promise<boolean> => {
      const before = await tag();
      await change();
      return (await tag()) !== before;
    };
    const signed = signedTd();
    const operator = { authorization: `Bearer ${adminToken}` };
    expect(await changes(() => put({ id: "urn:example:a", title: "One" }, service))).toBe(true);
    expect(await changes(() => put({ id: "urn:example:a", title: "Two" }, service))).toBe(false);
    expect(await changes(() => service.put(signed))).toBe(true);
    expect(await changes(() => service.request(thingPath(signed.id), { method: "DELETE", headers: operator }))).toBe(
      true,
    );
    expect(await changes(() => service.put(signed, operator))).toBe(true);
    expect(await changes(() => service.put(signedTombstone(signed.id, signed.key, new Date(Date.now() + 1000))))).toBe(
      true,
    );
    expect(await changes(() => service.request("/things/urn:example:a", { method: "DELETE" }))).toBe(true);

    expect(await changes(() => put({ id: "urn:example:b", registration: { ttl: 2 } }, service))).toBe(true);
    const beforeExpiry = await tag();
    now.at = new Date(now.at.getTime() + 3_000);
    const afterExpiry = await tag();
    expect(afterExpiry).not.toBe(beforeExpiry);
    await expect.poll(async () => (await service.request("/search")).status).toBe(200);
  });

  test("does not change when the purge follows the expiry, which it journals", async () => {
    await using service = await startTestService({ admission: "open" }, { clock: { now: () => now.at } });
    const signed = signedTd({ created: now.at, members: { registration: { ttl: 2 } } });
    await put({ id: "urn:example:short", registration: { ttl: 2 } }, service);
    await service.put(signed);
    now.at = new Date(now.at.getTime() + 3_000);
    const expired = etagOf(await list("?limit=1", service));
    // The purge looks every five seconds.
    await expect
      .poll(async () => (await put({ id: "urn:example:short" }, service)).status, { timeout: 1_000 })
      .toBe(201);
    expect((await service.put(signed)).status).toBe(409);
    const readded = etagOf(await list("?limit=1", service));
    expect(readded).not.toBe(expired);
    await new Promise((resolve) => setTimeout(resolve, 5_500));
    expect(etagOf(await list("?limit=1", service))).toBe(readded);
    expect((await service.put(signed)).status).toBe(409);
    expect((await service.request(thingPath(signed.id))).status).toBe(404);
  });
});

describe("negotiation", () => {
  test.each([
    ["/things", "application/json", 200, "application/json"],
    ["/things", "text/html, */*;q=0.1", 200, "application/ld+json"],
    ["/things", "text/html", 406, null],
    ["/things/urn:example:a", "application/ld+json", 200, "application/ld+json"],
    ["/things/urn:example:a", "application/json;q=0.5, application/td+json", 200, "application/td+json"],
    ["/things/urn:example:a", "application/td+json;q=0", 406, null],
    ["/things/urn:example:a", "image/png", 406, null],
    ["/search", "text/turtle", 406, null],
    ["/capabilities", "application/*", 200, "application/json"],
  ])("%s for %s: %i", async (path, accept, status, type) => {
    const response = await registry.request(path, { headers: { accept } });
    expect(response.status).toBe(status);
    if (type !== null) expect(response.headers.get("content-type")?.split(";")[0]).toBe(type);
    else expect(await problemOf(response)).toBe("not-acceptable");
  });
});

describe("the absolute URL of an entry, appended to /things/", () => {
  test.each([(url: string) => url, encodeURIComponent])("names the entry", async (encode) => {
    const created = await registry.request("/things", {
      method: "POST",
      headers: td,
      body: JSON.stringify({ ...tdOf(), id: undefined }),
    });
    const { id, href } = (await created.json()) as { id: string; href: string };
    const response = await registry.fetch(`/things/${encode(href)}`);
    expect(await response.json()).toMatchObject({ id });
    expect((await registry.fetch(`/things/${encode(href)}`, { method: "DELETE" })).status).toBe(204);
  });
});

describe("a registration", () => {
  test("with a ttl is renewed by an empty patch", async () => {
    await put({ id: "urn:example:ttl", registration: { ttl: 60 } });
    const expiry = async () => {
      const { registration } = (await (await registry.request("/things/urn:example:ttl")).json()) as {
        registration: { expires: string; ttl: number; retrieved: string };
      };
      expect(registration).toMatchObject({ ttl: 60, retrieved: now.at.toISOString() });
      return Date.parse(registration.expires);
    };
    const first = await expiry();
    now.at = new Date(now.at.getTime() + 30_000);
    const patched = await registry.request("/things/urn:example:ttl", {
      method: "PATCH",
      headers: { "content-type": "application/merge-patch+json" },
      body: "{}",
    });
    expect(patched.status).toBe(204);
    expect((await expiry()) - first).toBe(30_000);
  });
});
