import { setTimeout as sleep } from "node:timers/promises";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DidWebHost, startDidWebHost } from "../../test/support/did-web-host.ts";
import { refusingEgress } from "../../test/support/egress.ts";
import { createEgress, type Egress } from "../base/egress.ts";
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

  test.each(["did:example:123", "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did:webvh:a:example.org", "did:jwk:e30"])(
    "the method of %s is refused by name",
    async (text) => {
      await expect(resolver.resolve(parseDid(text))).rejects.toMatchObject({
        type: "unsupported-did-method",
        status: 400,
        message: expect.stringContaining(`"${text.split(":")[1]}"`),
      });
    },
  );

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

  test("`fresh` asks the network, and others have the answer, too", async () => {
    const did = parseDid(web.did("a"));
    web.host("a", { id: did });
    await resolver.resolve(did);
    web.host("a", { id: did, controller: "did:web:other.example" });
    expect((await resolver.resolve(did)).document.controller).toBeUndefined();
    expect((await resolver.resolve(did, { fresh: true })).document.controller).toBe("did:web:other.example");
    expect((await resolver.resolve(did)).document.controller).toBe("did:web:other.example");
    expect(web.requests).toHaveLength(2);
  });

  test("all who ask at one time share one request", async () => {
    const did = parseDid(web.did("slow"));
    web.host("slow", (response: ServerResponse) => {
      void sleep(50).then(() => response.end(JSON.stringify({ id: did })));
    });
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, at) => resolver.resolve(did, { fresh: at % 2 === 0 })),
    );
    expect(new Set(all).size).toBe(1);
    expect(web.requests).toHaveLength(1);
  });

  test("a failure is remembered for a while, and `fresh` overrides it", async () => {
    const did = parseDid(web.did("late"));
    await expect(resolver.resolve(did)).rejects.toMatchObject({ type: "did-not-found" });
    web.host("late", { id: did });
    pass(limits.didFailureMsMax - 1);
    await expect(resolver.resolve(did)).rejects.toMatchObject({
      type: "did-not-found",
      retry: "never",
      retryAfterSeconds: undefined,
      message: expect.stringContaining("404"),
    });
    expect(web.requests).toHaveLength(1);
    pass(1);
    expect((await resolver.resolve(did)).document.id).toBe(did);

    web.host("late", {}, 500);
    pass(limits.didFreshMsMax);
    await expect(resolver.resolve(did)).rejects.toMatchObject({ type: "did-unavailable", retryAfterSeconds: 60 });
    pass(40_000);
    await expect(resolver.resolve(did)).rejects.toMatchObject({ type: "did-unavailable", retryAfterSeconds: 20 });
    web.host("late", { id: did });
    expect((await resolver.resolve(did, { fresh: true })).document.id).toBe(did);
    expect((await resolver.resolve(did)).document.id).toBe(did);
  });

  test("a document that is gone is not used any more; one that cannot be had for a while is, until it is old", async () => {
    const did = parseDid(web.did("a"));
    web.host("a", { id: did });
    await resolver.resolve(did);
    web.host("a", {}, 503);
    await expect(resolver.resolve(did, { fresh: true })).rejects.toMatchObject({ type: "did-unavailable" });
    expect((await resolver.resolve(did)).document.id).toBe(did);
    web.host("a", {}, 410);
    await expect(resolver.resolve(did, { fresh: true })).rejects.toMatchObject({ type: "did-not-found" });
    await expect(resolver.resolve(did)).rejects.toMatchObject({ type: "did-not-found" });
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
      web.host(`n${at}`, { id: did, padding });
      await resolver.resolve(parseDid(did));
    }
    const before = web.requests.length;
    await resolver.resolve(parseDid(web.did(`n${count - 1}`)));
    expect(web.requests.length).toBe(before);
    await resolver.resolve(parseDid(web.did("n0")));
    expect(web.requests.length).toBe(before + 1);
  });
});
