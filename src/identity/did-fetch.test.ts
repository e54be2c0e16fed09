import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { startLog, stateFor, textOf, unnamed, webvhKey } from "../../test/fixtures/did-webvh.ts";
import { agent } from "../../test/fixtures/tampering.ts";
import { loopbackTls } from "../../test/fixtures/loopback-tls.ts";
import { createEgress, type ResolvedAddress } from "../base/egress.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { parseDid } from "./did.ts";
import { didDocumentOf } from "./did-document.ts";
import { lifetimeMsOf } from "./did-fetch.ts";
import { generateSigningKey, loadSigningKey } from "./keys.ts";
import { verifyProof } from "./proof.ts";
import { createDidResolver, type DidResolver } from "./resolver.ts";
import { signDocument } from "./sign.ts";

const publicAddress: ResolvedAddress = { address: "93.184.215.14", family: 4 };
const loopback: ResolvedAddress = { address: "127.0.0.1", family: 4 };

let now = new Date("2026-11-21T09:00:00Z");
const clock = { now: (): Date => now };
const pass = (ms: number): void => {
  now = new Date(now.getTime() + ms);
};

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}

/** An https server that stands in for the public hosts `*.example.org`, with files by their paths. */
async function servePublic(files: Record<string, string | RequestListener> = {}): Promise<number> {
  const listener: RequestListener = (request, response) => {
    const file = files[request.url ?? ""];
    if (typeof file === "function") file(request, response);
    else response.writeHead(file === undefined ? 404 : 200).end(file);
  };
  return listen(createHttpsServer({ key: loopbackTls.key, cert: loopbackTls.cert }, listener));
}

/** A loopback listener that nothing must ever reach. */
async function serveCanary(): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const port = await listen(createTcpServer(() => (connections += 1)));
  return { port, connections: () => connections };
}

/** A resolver as in production, every check on; connections to `publicAddress` end at loopback. */
function publicResolver(
  ports: number[],
  options: { lookup?: () => ResolvedAddress[]; ca?: string; msMax?: number } = {},
): DidResolver {
  const { lookup = () => [publicAddress], ca, msMax = 2_000 } = options;
  const egress = createEgress(
    { allowPrivateAddresses: false, ports, lookup: async () => lookup(), msMax },
    {
      dial: (checked) => (checked.address === publicAddress.address ? loopback : checked),
      ...(ca === undefined ? {} : { ca }),
    },
  );
  cleanups.push(() => egress.close());
  return createDidResolver({ egress, clock });
}

describe("DIDs of the web over https", () => {
  const owner = webvhKey();

  test("did:web at a public host with a certificate, and only with it", async () => {
    const files: Record<string, string> = {};
    const port = await servePublic(files);
    const key = generateSigningKey({ web: `agents.example.org%3A${port}:weather:bot` });
    files["/weather/bot/did.json"] = JSON.stringify(didDocumentOf(key));
    const resolver = publicResolver([port], { ca: loopbackTls.cert });
    const did = parseDid(key.controller);
    expect((await resolver.resolve(did)).document.id).toBe(`did:web:agents.example.org%3A${port}:weather:bot`);
    const signed = signDocument(agent, loadSigningKey(key), { created: now });
    expect(await verifyProof(signed, { resolver, clock })).toMatchObject({ controller: did });
    // A certificate of an authority that is not trusted is none.
    await expect(publicResolver([port]).resolve(did)).rejects.toMatchObject({ type: "did-unavailable" });
    const elsewhere = parseDid(did.replace("agents.example.org", "agents.example.net"));
    await expect(resolver.resolve(elsewhere)).rejects.toMatchObject({ type: "did-unavailable" });
  });

  test("did:webvh at a public host with a certificate, and only with it", async () => {
    const files: Record<string, string> = {};
    const port = await servePublic(files);
    const location = `agents.example.org%3A${port}:weather`;
    const { did, entries } = startLog({ location, signers: [owner], state: stateFor(unnamed(location), owner) });
    files["/weather/did.jsonl"] = textOf(entries);
    const resolver = publicResolver([port], { ca: loopbackTls.cert });
    expect((await resolver.resolve(did)).document).toMatchObject({ id: did, assertionMethod: [`${did}#key-1`] });
    await expect(publicResolver([port]).resolve(did)).rejects.toMatchObject({ type: "did-unavailable" });
  });

  test("a name that turns to loopback once it is trusted gains nothing", async () => {
    const canary = await serveCanary();
    const did = (port: number): string => `did:web:rebind.example.org%3A${port}`;
    const files: Record<string, string> = {};
    const port = await servePublic(files);
    files["/.well-known/did.json"] = JSON.stringify({ id: did(port) });
    const answers = [[publicAddress]];
    const lookup = (): ResolvedAddress[] => answers.shift() ?? [loopback];
    const resolver = publicResolver([port, canary.port], { ca: loopbackTls.cert, lookup });
    expect((await resolver.resolve(parseDid(did(port)))).document.id).toBe(did(port));
    pass(limits.didFreshMsMax);
    await expect(resolver.resolve(parseDid(did(port)))).rejects.toMatchObject({ type: "egress-refused" });
    await expect(resolver.resolveStale(parseDid(did(port)))).rejects.toMatchObject({ type: "egress-refused" });
    const webvh = startLog({ location: `rebind.example.org%3A${canary.port}`, signers: [owner] });
    for (const other of [did(canary.port), webvh.did]) {
      await expect(resolver.resolve(parseDid(other))).rejects.toMatchObject({ type: "egress-refused" });
    }
    expect(canary.connections()).toBe(0);
  });

  test.each(["https://169.254.169.254/latest/meta-data/", "https://localhost/did.json", "http://example.org/did.json"])(
    "a redirect to %s is refused",
    async (location) => {
      const redirect: RequestListener = (_request, response) => void response.writeHead(302, { location }).end();
      const port = await servePublic({ "/.well-known/did.json": redirect, "/.well-known/did.jsonl": redirect });
      const resolver = publicResolver([port], { ca: loopbackTls.cert });
      const webvh = startLog({ location: `www.example.org%3A${port}`, signers: [owner] });
      for (const did of [`did:web:www.example.org%3A${port}`, webvh.did]) {
        await expect(resolver.resolve(parseDid(did))).rejects.toMatchObject({ type: "egress-refused", retry: "never" });
      }
    },
  );
});

describe("hosts that mean harm", () => {
  /** A resolver for one loopback host that answers everything with `listener`, and a did:web and a did:webvh there. */
  async function harmful(listener: RequestListener): Promise<{ resolver: DidResolver; dids: string[]; web: string }> {
    const port = await listen(createHttpServer(listener));
    const egress = createEgress({ allowPrivateAddresses: true, msMax: 300 });
    cleanups.push(() => egress.close());
    const location = `127.0.0.1%3A${port}`;
    const { did } = startLog({ location, signers: [webvhKey()] });
    const web = `did:web:${location}`;
    return { resolver: createDidResolver({ egress, clock, allowPrivateAddresses: true }), dids: [web, did], web };
  }
  const endlessly = (response: ServerResponse, piece: string): void => {
    const timer = setInterval(() => response.write(piece), 20);
    response.on("close", () => clearInterval(timer));
  };

  test.each<[string, RequestListener]>([
    ["says nothing", () => {}],
    ["sends headers only", (_request, response) => void response.flushHeaders()],
    ["drips a document", (_request, response) => endlessly(response, " ")],
  ])("one that %s is given up, and may be asked again", async (_name, listener) => {
    const { resolver, dids } = await harmful(listener);
    for (const did of dids) {
      await expect(resolver.resolve(parseDid(did))).rejects.toMatchObject({ type: "did-unavailable", retry: "later" });
    }
  });

  test.each<[string, () => string]>([
    ["too deep", () => `{"a":${"[".repeat(200_000)}`],
    ["too many values", () => `{"a":[${"0,".repeat(limits.jsonNodesMax)}0]}`],
    ["too long", () => " ".repeat(limits.didLogBytesMax + 1)],
    ["longer than is ever read", () => " ".repeat(limits.egressBytesMax + 1)],
    ["an object with one name again and again", () => `{${'"a":1,'.repeat(4_000)}"a":1}`],
  ])("a document that is %s ends there", async (_name, document) => {
    const { resolver, dids } = await harmful((_request, response) => response.end(document()));
    for (const did of dids) {
      await expect(resolver.resolve(parseDid(did))).rejects.toMatchObject({ type: "did-not-found", retry: "never" });
    }
  });

  test("a compressed document, which was not asked for, is not unpacked", async () => {
    const { resolver, dids } = await harmful((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(Buffer.alloc(100));
    });
    for (const did of dids) {
      await expect(resolver.resolve(parseDid(did))).rejects.toMatchObject({ type: "did-not-found" });
    }
  });

  test("one cannot speak for another DID, nor list another's key as its own", async () => {
    let document: JsonObject = {};
    const { resolver, web } = await harmful((_request, response) => response.end(JSON.stringify(document)));
    const victim = generateSigningKey({ web: "victim.example" });
    document = didDocumentOf(victim);
    await expect(resolver.resolve(parseDid(web))).rejects.toMatchObject({
      type: "did-not-found",
      message: expect.stringContaining('"id"'),
    });
    pass(limits.didFailureMsMax);

    const own = generateSigningKey({ web: web.slice("did:web:".length) });
    const signed = signDocument(agent, loadSigningKey(own), { created: now });
    document = didDocumentOf(own);
    await verifyProof(signed, { resolver, clock });
    const [method = {}] = document["verificationMethod"] as JsonObject[];
    document = { ...document, verificationMethod: [{ ...method, controller: victim.controller }] };
    pass(limits.didFreshMsMax);
    await expect(verifyProof(signed, { resolver, clock })).rejects.toMatchObject({
      type: "invalid-proof",
      validationErrors: [expect.objectContaining({ field: "/proof/verificationMethod" })],
    });
  });
});

describe("the lifetime of an answer", () => {
  test.each<[Record<string, string>, number | undefined]>([
    [{}, undefined],
    [{ "cache-control": "" }, undefined],
    [{ "cache-control": "public, immutable" }, undefined],
    [{ "cache-control": "s-maxage=60" }, undefined],
    [{ "cache-control": "max-age=soon" }, undefined],
    [{ "cache-control": "max-age=60" }, 60_000],
    [{ "cache-control": "Public, Max-Age=60" }, 60_000],
    [{ "cache-control": "private, max-age=60, s-maxage=7200" }, 60_000],
    [{ "cache-control": "max-age=0" }, 0],
    [{ "cache-control": "max-age=-60" }, 0],
    [{ "cache-control": "no-store" }, 0],
    [{ "cache-control": "max-age=60, no-cache" }, 0],
    [{ "cache-control": 'no-cache="set-cookie", max-age=60' }, 0],
    [{ "cache-control": "max-age=60", age: "20" }, 40_000],
    [{ "cache-control": "max-age=60", age: "90" }, 0],
    [{ "cache-control": "max-age=60", age: "old" }, 60_000],
    [{ age: "90" }, undefined],
  ])("%j", (headers, lifetimeMs) => {
    expect(lifetimeMsOf(new Headers(headers))).toBe(lifetimeMs);
  });

  test("is a number or nothing, whatever the header is", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]*$/), (text) => {
        const lifetimeMs = lifetimeMsOf(new Headers({ "cache-control": text, age: "1" })) ?? 0;
        expect(lifetimeMs).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
