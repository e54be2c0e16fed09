import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DidWebHost, startDidWebHost } from "../../test/support/did-web-host.ts";
import { createEgress, type Egress } from "../base/egress.ts";
import { limits } from "../base/limits.ts";
import { parseDid } from "./did.ts";
import type { HostBudget } from "../base/host-budget.ts";
import { didWebUrl, fetchDidWeb } from "./did-web.ts";

describe("where the document of a did:web is", () => {
  test.each([
    ["did:web:example.org", "https://example.org/.well-known/did.json"],
    ["did:web:example.org%3A8443", "https://example.org:8443/.well-known/did.json"],
    ["did:web:example.org%3a443", "https://example.org/.well-known/did.json"],
    ["did:web:w3c-ccg.github.io:user:alice", "https://w3c-ccg.github.io/user/alice/did.json"],
    ["did:web:example.org%3A3000:user:alice", "https://example.org:3000/user/alice/did.json"],
    ["did:web:xn--bcher-kva.example:a", "https://xn--bcher-kva.example/a/did.json"],
    ["did:web:example.org:caf%C3%A9:%E6%97%A5", "https://example.org/caf%C3%A9/%E6%97%A5/did.json"],
    ["did:web:example.org:a.b_c-d:...", "https://example.org/a.b_c-d/.../did.json"],
    ["did:web:localhost", "https://localhost/.well-known/did.json"],
  ])("%s", (did, url) => {
    expect(didWebUrl(parseDid(did), false).href).toBe(url);
  });

  test("localhost and 127.0.0.1 by http, but only where private addresses are allowed", () => {
    const hrefOf = (did: string): string => didWebUrl(parseDid(did), true).href;
    expect(hrefOf("did:web:localhost%3A8080:a")).toBe("http://localhost:8080/a/did.json");
    expect(hrefOf("did:web:127.0.0.1%3A8080")).toBe("http://127.0.0.1:8080/.well-known/did.json");
    expect(hrefOf("did:web:example.org")).toBe("https://example.org/.well-known/did.json");
    expect(hrefOf("did:web:192.168.0.7")).toBe("https://192.168.0.7/.well-known/did.json");
  });

  test.each([
    "did:web:127.0.0.1",
    "did:web:10.0.0.1",
    "did:web:127.1",
    "did:web:2130706433",
    "did:web:0x7f.1",
    "did:web:017700000001",
    "did:web:example.org%3A",
    "did:web:example.org%3A0",
    "did:web:example.org%3A99999",
    "did:web:example.org%3A80%3A81",
    "did:web:example.org%3A8x",
    "did:web:user%40example.org",
    "did:web:user%3Aword%40example.org",
    "did:web:example.org%2Fa",
    "did:web:example.org%3Fa",
    "did:web:%00",
    "did:web:example.org%2523",
    "did:web:ex%41mple.org",
    "did:web:.example.org",
    "did:web:example..org",
    "did:web:example.org.",
    "did:web:_dmarc.example.org",
    "did:web::a",
    "did:web:b%C3%BCcher.example",
    "did:web:example.org::a",
    "did:web:example.org:.:a",
    "did:web:example.org:..:a",
    "did:web:example.org:%2e%2E:a",
    "did:web:example.org:.%2e",
    "did:web:example.org:%2e",
    "did:web:example.org:a%2Fb",
    "did:web:example.org:a%5Cb",
    "did:web:example.org:a%3Fb",
    "did:web:example.org:a%23b",
    "did:web:example.org:a%40b",
    "did:web:example.org:a%3Ab",
    "did:web:example.org:a%252Fb",
    "did:web:example.org:a%00",
    "did:web:example.org:a%0D%0AHost",
    "did:web:a.b:%20",
    "did:web:example.org:%FF",
    "did:web:example.org:%C0%AF",
    "did:web:example.org:a%3Bb",
  ])("%s names no place", (did) => {
    expect(() => didWebUrl(parseDid(did), false)).toThrow(
      expect.objectContaining({ type: "did-not-found", retry: "never" }),
    );
  });
});

describe("fetching the document of a did:web", () => {
  let web: DidWebHost;
  let egress: Egress;
  // More requests than one host gets at once are made here.
  const hostBudget: HostBudget = { take: () => 0 };
  beforeAll(async () => {
    web = await startDidWebHost();
    egress = createEgress({ allowPrivateAddresses: true, msMax: 500 });
  });
  afterAll(async () => {
    await egress.close();
    await web[Symbol.asyncDispose]();
  });
  const fetchAt = (path: string): ReturnType<typeof fetchDidWeb> =>
    fetchDidWeb(parseDid(web.did(path)), { egress, hostBudget, allowPrivateAddresses: true });
  const notFound = { type: "did-not-found", status: 400, retry: "never" };
  const unavailable = { type: "did-unavailable", status: 503, retry: "later", retryAfterSeconds: 60 };

  test("reads what is needed and keeps no secret", async () => {
    const did = web.did("whole");
    const jwk = { kty: "OKP", crv: "Ed25519", x: "x", d: "secret", use: "sig", "x-note": "secret" };
    web.host("whole", {
      "@context": "https://www.w3.org/ns/did/v1",
      id: did,
      controller: ["did:web:other.example", 7],
      alsoKnownAs: ["https://whole.example/"],
      verificationMethod: [
        { id: "#a", type: "JsonWebKey", controller: did, publicKeyJwk: jwk, secretKeyJwk: { d: "secret" } },
        { id: `${did}#b`, type: "Multikey", controller: did, publicKeyMultibase: "z6", secretKeyMultibase: "secret" },
        { id: "#c", type: "Unknown", controller: did },
        "not a method",
        { id: 7 },
      ],
      assertionMethod: ["#a", `${did}#b`, { id: "#d", type: "Multikey", controller: did }, null],
      authentication: ["#b", { id: "#e", type: "Multikey", controller: did, secretKeyMultibase: "secret" }],
      service: [{ id: "#s", type: "WotThing", serviceEndpoint: "https://whole.example/td" }],
    });
    const { document } = await fetchAt("whole");
    expect(document).toEqual({
      id: did,
      controller: ["did:web:other.example"],
      alsoKnownAs: ["https://whole.example/"],
      verificationMethod: [
        {
          id: `${did}#a`,
          type: "JsonWebKey",
          controller: did,
          publicKeyJwk: { kty: "OKP", crv: "Ed25519", x: "x", use: "sig" },
        },
        { id: `${did}#b`, type: "Multikey", controller: did, publicKeyMultibase: "z6" },
        { id: `${did}#c`, type: "Unknown", controller: did },
      ],
      assertionMethod: [`${did}#a`, `${did}#b`, { id: `${did}#d`, type: "Multikey", controller: did }],
      authentication: [`${did}#b`, { id: `${did}#e`, type: "Multikey", controller: did }],
      service: [{ id: "#s", type: "WotThing", serviceEndpoint: "https://whole.example/td" }],
    });
    expect(JSON.stringify(document)).not.toContain("secret");
  });

  test("without a path it is at /.well-known", async () => {
    web.host("", { id: web.did() });
    expect((await fetchAt("")).document.id).toBe(web.did());
    expect(web.requests.at(-1)).toBe("/.well-known/did.json");
  });

  test("a redirect is followed, and does not change whose document it must be", async () => {
    web.host("moved", (response: ServerResponse) => {
      response.writeHead(302, { location: "/elsewhere/did.json" }).end();
    });
    web.host("elsewhere", { id: web.did("elsewhere") });
    await expect(fetchAt("moved")).rejects.toMatchObject({ ...notFound, message: expect.stringContaining('"id"') });
    web.host("elsewhere", { id: web.did("moved") });
    expect((await fetchAt("moved")).document.id).toBe(web.did("moved"));
  });

  test("what is missing or unusable is not found, for good", async () => {
    const did = web.did("bad");
    const method = { id: "#k", type: "Multikey", controller: did };
    await expect(fetchAt("missing")).rejects.toMatchObject({ ...notFound, extensions: { did: web.did("missing") } });
    for (const status of [201, 204, 400, 401, 403, 404, 451]) {
      web.host("bad", status === 204 ? "" : { id: did }, status);
      await expect(fetchAt("bad"), String(status)).rejects.toMatchObject(notFound);
    }
    const bodies: unknown[] = [
      "",
      "not json",
      "[]",
      "null",
      `{"id":"${did}","id":"${did}"}`,
      `{"id":"${did}","title":"\\ud800"}`,
      {},
      { id: "did:web:other.example" },
      { id: `${did}/` },
      { id: did.toUpperCase() },
      { id: [did] },
      {
        id: did,
        verificationMethod: {},
      },
      {
        id: did,
        assertionMethod: "#k",
      },
      {
        id: did,
        verificationMethod: [
          method,
          {
            ...method,
            id: `${did}#k`,
            publicKeyMultibase: "z6",
          },
        ],
      },
      {
        id: did,
        verificationMethod: [method],
        assertionMethod: [{ ...method, type: "JsonWebKey" }],
      },
    ];
    for (const body of bodies) {
      web.host("bad", body);
      await expect(fetchAt("bad"), JSON.stringify(body)).rejects.toMatchObject(notFound);
    }
    web.host("bad", (response: ServerResponse) => {
      response.writeHead(302, { location: "/bad/did.json" }).end();
    });
    await expect(fetchAt("bad")).rejects.toMatchObject(notFound);
  });

  test("a document that its host says is gone belongs to a DID that was deactivated", async () => {
    web.host("gone", {}, 410);
    await expect(fetchAt("gone")).rejects.toMatchObject({
      type: "did-deactivated",
      status: 400,
      retry: "never",
      extensions: { did: web.did("gone") },
    });
  });

  test("it says for how long it is current if its host does", async () => {
    web.host("lasting", { id: web.did("lasting") }, 200, { "cache-control": "max-age=7200" });
    expect((await fetchAt("lasting")).lifetimeMs).toBe(7_200_000);
    expect(web.lastHeaders["cache-control"]).toBe("no-cache");
    web.host("lasting", { id: web.did("lasting") });
    expect((await fetchAt("lasting")).lifetimeMs).toBeUndefined();
  });

  test("a document is bounded in bytes", async () => {
    const did = web.did("large");
    const frame = JSON.stringify({ id: did, note: "" }).length;
    const documentOf = (bytes: number): string => JSON.stringify({ id: did, note: "x".repeat(bytes - frame) });
    web.host("large", documentOf(limits.didDocumentBytesMax));
    expect((await fetchAt("large")).bytes).toBe(limits.didDocumentBytesMax);
    web.host("large", documentOf(limits.didDocumentBytesMax + 1));
    await expect(fetchAt("large")).rejects.toMatchObject(notFound);
    web.host("large", documentOf(limits.egressBytesMax + 1));
    await expect(fetchAt("large")).rejects.toMatchObject(notFound);
  });

  test("what may pass is to be tried again", async () => {
    for (const status of [408, 429, 500, 502, 503, 504]) {
      web.host("down", {}, status);
      await expect(fetchAt("down"), String(status)).rejects.toMatchObject(unavailable);
    }
    web.host("down", (response: ServerResponse) => void response.flushHeaders());
    await expect(fetchAt("down")).rejects.toMatchObject(unavailable);
    web.host("down", (response: ServerResponse) => void response.destroy());
    await expect(fetchAt("down")).rejects.toMatchObject(unavailable);
    const closed = parseDid("did:web:127.0.0.1%3A1");
    await expect(fetchDidWeb(closed, { egress, hostBudget, allowPrivateAddresses: true })).rejects.toMatchObject(
      unavailable,
    );
  });

  test("addresses that must not be fetched stay unfetched", async () => {
    const before = web.requests.length;
    const strict = createEgress({ allowPrivateAddresses: false });
    for (const did of [
      "did:web:localhost",
      "did:web:printer.local",
      "did:web:example.org%3A8443",
      "did:web:intranet",
    ]) {
      const fetched = fetchDidWeb(parseDid(did), { egress: strict, hostBudget, allowPrivateAddresses: false });
      await expect(fetched).rejects.toMatchObject({ type: "egress-refused" });
    }
    await strict.close();
    expect(web.requests.length).toBe(before);
  });
});
