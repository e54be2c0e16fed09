import { setTimeout as sleep } from "node:timers/promises";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DidWebHost, startDidWebHost } from "../../test/support/did-web-host.ts";
import { refusingEgress } from "../../test/support/egress.ts";
import { createEgress, type Egress } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { parseDid } from "./did.ts";
import { createDidResolver, type DidResolver } from "./resolver.ts";

let web: DidWebHost;
let egress: Egress;
let now: Date;
let resolver: DidResolver;
beforeEach(async () => {
  web = await startDidWebHost();
  egress = createEgress({ allowPrivateAddresses: true, msMax: 2_000 });
  now = new Date("2026-11-21T09:00:00Z");
  resolver = createDidResolver({ egress, clock: { now: () => now }, allowPrivateAddresses: true });
});
afterEach(async () => {
  await egress.close();
  await web[Symbol.asyncDispose]();
});
const pass = (ms: number): void => {
  now = new Date(now.getTime() + ms);
};

describe("createDidResolver", () => {
  test("did:key needs no network, and is always current", async () => {
    const offline = createDidResolver({ egress: refusingEgress, clock: { now: () => now } });
    const did = parseDid("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp");
    expect(await offline.resolve(did)).toMatchObject({ document: { id: did }, retrievedAt: now });
    pass(60 * 60 * 1000);
    expect(await offline.resolve(did)).toMatchObject({ document: { id: did }, retrievedAt: now });
  });

  test.each([
    "did:example:123",
    "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
    "did:tdw:a:example.org",
    "did:constructor:a",
    "did:jwk:e30",
  ])("the method of %s is refused by name", async (text) => {
    await expect(resolver.resolve(parseDid(text))).rejects.toMatchObject({
      type: "unsupported-did-method",
      status: 400,
      message: expect.stringContaining(`"${text.split(":")[1]}"`),
    });
  });

  test("a document is fetched once while it is fresh", async () => {
    const did = parseDid(web.did("a"));
    web.host("a", { id: did });
    const first = await resolver.resolve(did);
    expect(first.retrievedAt).toEqual(now);
    pass(limits.didFreshMsMax - 1);
    expect(await resolver.resolve(did)).toBe(first);
    expect(web.requests).toHaveLength(1);
    pass(1);
    expect((await resolver.resolve(did)).retrievedAt).toEqual(now);
    expect(web.requests).toHaveLength(2);
  });

  test("a document lives as long as its HTTP answer says, within bounds", async () => {
    const { didRefreshMsMin, didFreshMsMax, didLifetimeMsMax } = limits;
    const cases: [cacheControl: string | undefined, lifetimeMs: number][] = [
      [undefined, didFreshMsMax],
      ["public", didFreshMsMax],
      ["s-maxage=7200", didFreshMsMax],
      ["max-age=7200, s-maxage=60", 7_200_000],
      ["max-age=60", 60_000],
      ["max-age=1", didRefreshMsMin],
      ["max-age=0", didRefreshMsMin],
      ["no-store", didRefreshMsMin],
      ["no-cache, max-age=7200", didRefreshMsMin],
      ["max-age=31536000", didLifetimeMsMax],
    ];
    for (const [at, [cacheControl, lifetimeMs]] of cases.entries()) {
      const did = parseDid(web.did(`n${at}`));
      web.host(`n${at}`, { id: did }, 200, cacheControl === undefined ? {} : { "cache-control": cacheControl });
      const first = await resolver.resolve(did);
      pass(lifetimeMs - 1);
      expect(await resolver.resolve(did), cacheControl).toBe(first);
      pass(1);
      expect(await resolver.resolve(did), cacheControl).not.toBe(first);
    }
  });

  test("`ageMsMax` bounds the age whatever the lifetime, and others have the new document, too", async () => {
    const did = parseDid(web.did("a"));
    const lasting = { "cache-control": "max-age=86400" };
    web.host("a", { id: did }, 200, lasting);
    const first = await resolver.resolve(did);
    web.host("a", { id: did, controller: "did:web:other.example" }, 200, lasting);
    pass(10_000);
    expect(await resolver.resolve(did, { ageMsMax: 10_000 })).toBe(first);
    pass(1);
    expect(await resolver.resolve(did)).toBe(first);
    const second = await resolver.resolve(did, { ageMsMax: 10_000 });
    expect(second.document.controller).toBe("did:web:other.example");
    expect(await resolver.resolve(did)).toBe(second);
    expect(web.requests).toHaveLength(2);
  });

  test("`ageMsMax` does not make a document live longer", async () => {
    const did = parseDid(web.did("a"));
    web.host("a", { id: did });
    await resolver.resolve(did);
    pass(limits.didFreshMsMax);
    await resolver.resolve(did, { ageMsMax: limits.didLifetimeMsMax });
    expect(web.requests).toHaveLength(2);
  });

  test("a slow answer does not make a document younger than its request", async () => {
    const did = parseDid(web.did("slow"));
    const asked = now;
    web.host("slow", (response: ServerResponse) => {
      pass(9_000);
      response.end(JSON.stringify({ id: did }));
    });
    expect((await resolver.resolve(did)).retrievedAt).toEqual(asked);
  });

  test("after the clock was set back, a document is fetched again", async () => {
    const did = parseDid(web.did("a"));
    web.host("a", { id: did });
    await resolver.resolve(did);
    pass(-1);
    expect((await resolver.resolve(did)).retrievedAt).toEqual(now);
    expect(web.requests).toHaveLength(2);
  });

  test("all who ask at one time share one request", async () => {
    const did = parseDid(web.did("slow"));
    web.host("slow", (response: ServerResponse) => {
      void sleep(50).then(() => response.end(JSON.stringify({ id: did })));
    });
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, at) => resolver.resolve(did, at % 2 === 0 ? { ageMsMax: 0 } : {})),
    );
    expect(new Set(all).size).toBe(1);
    expect(web.requests).toHaveLength(1);
  });

  test("a failure is remembered for a while, for those who want a young document as well", async () => {
    const did = parseDid(web.did("late"));
    await expect(resolver.resolve(did)).rejects.toMatchObject({ type: "did-not-found" });
    web.host("late", { id: did });
    pass(limits.didFailureMsMax - 1);
    for (const options of [{}, { ageMsMax: 0 }]) {
      await expect(resolver.resolve(did, options)).rejects.toMatchObject({
        type: "did-not-found",
        retry: "never",
        retryAfterSeconds: undefined,
        message: expect.stringContaining("404"),
      });
    }
    expect(web.requests).toHaveLength(1);
    pass(1);
    expect((await resolver.resolve(did)).document.id).toBe(did);

    web.host("late", {}, 500);
    pass(limits.didFreshMsMax);
    await expect(resolver.resolve(did)).rejects.toMatchObject({ type: "did-unavailable", retryAfterSeconds: 60 });
    pass(40_000);
    await expect(resolver.resolve(did)).rejects.toMatchObject({ type: "did-unavailable", retryAfterSeconds: 20 });
    web.host("late", { id: did });
    pass(20_000);
    expect((await resolver.resolve(did, { ageMsMax: 0 })).document.id).toBe(did);
    expect((await resolver.resolve(did)).document.id).toBe(did);
  });

  test("while a host cannot be asked, old documents are for readers, never for those who want a young one", async () => {
    const did = parseDid(web.did("a"));
    const write = { ageMsMax: limits.didWriteAgeMsMax };
    web.host("a", { id: did });
    await resolver.resolve(did);
    web.host("a", {}, 503);
    pass(limits.didWriteAgeMsMax + 1);
    await expect(resolver.resolve(did, write)).rejects.toMatchObject({
      type: "did-unavailable",
      retryAfterSeconds: 60,
    });
    expect((await resolver.resolve(did)).document.id).toBe(did);
    await expect(resolver.resolve(did, write)).rejects.toMatchObject({ type: "did-unavailable" });
    expect(web.requests).toHaveLength(2);
  });

  test.each([
    [404, "did-not-found"],
    [410, "did-deactivated"],
  ])("a document that is gone, with status %i, is not used any more", async (status, type) => {
    const did = parseDid(web.did("a"));
    web.host("a", { id: did });
    await resolver.resolve(did);
    web.host("a", {}, status);
    pass(1);
    await expect(resolver.resolve(did, { ageMsMax: 0 })).rejects.toMatchObject({ type });
    await expect(resolver.resolve(did)).rejects.toMatchObject({ type });
    await expect(resolver.resolveStale(did)).rejects.toMatchObject({ type });
  });

  test("stale documents are shown for a week while their host cannot be asked", async () => {
    const did = parseDid(web.did("a"));
    web.host("a", { id: did });
    await expect(resolver.resolveStale(parseDid(web.did("never")))).rejects.toMatchObject({ type: "did-not-found" });
    expect(await resolver.resolveStale(did)).toMatchObject({ document: { id: did }, stale: false });
    const { retrievedAt } = await resolver.resolve(did);
    web.host("a", {}, 500);
    pass(limits.didFreshMsMax - 1);
    expect(await resolver.resolveStale(did)).toMatchObject({ stale: false });
    pass(1);
    expect(await resolver.resolveStale(did)).toMatchObject({ document: { id: did }, retrievedAt, stale: true });
    pass(limits.didStaleMsMax - limits.didFreshMsMax);
    expect(await resolver.resolveStale(did)).toMatchObject({ stale: true });
    pass(1);
    await expect(resolver.resolveStale(did)).rejects.toMatchObject({ type: "did-unavailable" });
    web.host("a", { id: did });
    pass(limits.didFailureMsMax);
    expect(await resolver.resolveStale(did)).toMatchObject({ retrievedAt: now, stale: false });
  });

  test("what is refused is not shown stale", async () => {
    const did = parseDid(web.did("a"));
    web.host("a", { id: did });
    await resolver.resolve(did);
    web.host("a", { id: "did:web:other.example" });
    pass(limits.didFreshMsMax);
    await expect(resolver.resolveStale(did)).rejects.toMatchObject({ type: "did-not-found" });
  });

  test("a fault of our own is not hidden behind a stale document", async () => {
    const did = parseDid(web.did("a"));
    web.host("a", { id: did });
    let isBroken = false;
    const broken: Egress = {
      get: async (url, request) => {
        if (isBroken) throw new TypeError("a mistake of ours");
        return egress.get(url, request);
      },
      close: async () => {},
    };
    const ours = createDidResolver({ egress: broken, clock: { now: () => now }, allowPrivateAddresses: true });
    await ours.resolve(did);
    isBroken = true;
    pass(limits.didFreshMsMax);
    await expect(ours.resolveStale(did)).rejects.toThrow("a mistake of ours");
  });

  test("a host is asked so often and no more, and then as its budget fills", async () => {
    const dids = Array.from({ length: limits.hostRequestsMax + 12 }, (_, at) => parseDid(web.did(`n${at}`)));
    for (const [at, did] of dids.entries()) web.host(`n${at}`, { id: did });
    const resolveAll = async (some: Did[]): Promise<number> => {
      const settled = await Promise.allSettled(some.map((did) => resolver.resolve(did)));
      const refused = settled.filter((one) => one.status === "rejected").map(({ reason }) => reason as unknown);
      for (const problem of refused) {
        expect(problem).toMatchObject({ type: "did-unavailable", status: 503, retry: "later", retryAfterSeconds: 1 });
      }
      return refused.length;
    };
    expect(await resolveAll(dids)).toBe(12);
    expect(web.requests).toHaveLength(limits.hostRequestsMax);
    pass(1_000);
    expect(await resolveAll(dids)).toBe(12 - limits.hostRequestsPerSecondMax);
    expect(web.requests).toHaveLength(limits.hostRequestsMax + limits.hostRequestsPerSecondMax);
    pass(1_000);
    expect(await resolveAll(dids)).toBe(0);
  });

  test("did:web reaches localhost only where private addresses are allowed", async () => {
    const strict = createDidResolver({
      egress: createEgress({ allowPrivateAddresses: false }),
      clock: { now: () => now },
    });
    web.host("a", { id: web.did("a") });
    await expect(strict.resolve(parseDid(web.did("a")))).rejects.toMatchObject({ type: "did-not-found" });
    await expect(strict.resolve(parseDid("did:web:localhost"))).rejects.toMatchObject({ type: "egress-refused" });
    expect(web.requests).toEqual([]);
  });

  test("documents are kept within the bounds of memory", async () => {
    const padding = "x".repeat(limits.didDocumentBytesMax - 200);
    const count = Math.ceil(limits.didCacheBytesMax / limits.didDocumentBytesMax) + 20;
    for (let at = 0; at < count; at += 1) {
      const did = web.did(`n${at}`);
      web.host(`n${at}`, { id: did, padding }, 200, { "cache-control": "max-age=86400" });
      await resolver.resolve(parseDid(did));
      pass(1_000 / limits.hostRequestsPerSecondMax);
    }
    const before = web.requests.length;
    await resolver.resolve(parseDid(web.did(`n${count - 1}`)));
    expect(web.requests.length).toBe(before);
    await resolver.resolve(parseDid(web.did("n0")));
    expect(web.requests.length).toBe(before + 1);
  });
});
