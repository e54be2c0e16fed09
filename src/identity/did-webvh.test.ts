import { createPrivateKey, sign as signBytes, verify as verifyBytes } from "node:crypto";
import { createDID, deactivateDID, prepareDataForSigning, updateDID } from "didwebvh-ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  approvalOf,
  continueLog,
  expectEntryFault,
  startLog,
  stateFor,
  textOf,
  unnamed,
  webvhKey,
  type WebvhKey,
  type WebvhLog,
  witnessRule,
} from "../../test/fixtures/did-webvh.ts";
import { didWebvhVectors } from "../../test/fixtures/did-webvh-vectors.ts";
import { type DidWebHost, startDidWebHost } from "../../test/support/did-web-host.ts";
import { createEgress, type Egress } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { parseDid } from "./did.ts";
import { verificationMethodOf } from "./did-document.ts";
import type { FetchedDid } from "./did-fetch.ts";
import { multihashOf } from "./did-webvh-hash.ts";
import { didWebvhUrl, fetchDidWebvh } from "./did-webvh.ts";
import { encodeMultibase, encodePublicKey } from "./multikey.ts";
import { verifyProof } from "./proof.ts";
import { createDidResolver, type DidResolver } from "./resolver.ts";
import { signDocument } from "./sign.ts";

// didwebvh-ts writes its logs into the working directory where it takes itself for tested; hoisted above its import.
vi.hoisted(() => vi.stubEnv("NODE_ENV", "production"));

const scid = multihashOf("");
let now: Date;
const clock = { now: (): Date => now };
const pass = (ms: number): void => {
  now = new Date(now.getTime() + ms);
};
const owner = webvhKey();
const witness = webvhKey();

let web: DidWebHost;
let egress: Egress;
let resolver: DidResolver;
beforeEach(async () => {
  now = new Date("2026-11-21T09:00:00Z");
  web = await startDidWebHost();
  egress = createEgress({ allowPrivateAddresses: true, msMax: 2_000 });
  resolver = createDidResolver({ egress, clock, allowPrivateAddresses: true });
});
afterEach(async () => {
  await egress.close();
  await web[Symbol.asyncDispose]();
});

/** A log for `path` on the loopback host, with a key for assertions. */
const startAt = (path: string, parameters: JsonObject = {}): WebvhLog => {
  const location = web.location(path);
  return startLog({ location, signers: [owner], parameters, state: stateFor(unnamed(location), owner) });
};
const hostLog = (path: string, { entries }: WebvhLog, headers?: Record<string, string>): void =>
  web.hostFile(path, "did.jsonl", textOf(entries), 200, headers);

describe("where the log of a did:webvh is", () => {
  test.each([
    [`did:webvh:${scid}:example.com`, "https://example.com/.well-known/did.jsonl"],
    [`did:webvh:${scid}:issuer.example.com`, "https://issuer.example.com/.well-known/did.jsonl"],
    [`did:webvh:${scid}:example.com:dids:issuer`, "https://example.com/dids/issuer/did.jsonl"],
    [`did:webvh:${scid}:example.com%3A3000:dids:issuer`, "https://example.com:3000/dids/issuer/did.jsonl"],
    [
      `did:webvh:${scid}:xn--jp-cd2fp15c.xn--fsq.jp:%E7%94%A8%E6%88%B7`,
      "https://xn--jp-cd2fp15c.xn--fsq.jp/%E7%94%A8%E6%88%B7/did.jsonl",
    ],
    [`did:webvh:${scid}:example.com:${scid}`, `https://example.com/${scid}/did.jsonl`],
  ])("%s", (did, url) => {
    expect(didWebvhUrl(parseDid(did), "did.jsonl", false).href).toBe(url);
    const beside = url.replace("did.jsonl", "did-witness.json");
    expect(didWebvhUrl(parseDid(did), "did-witness.json", false).href).toBe(beside);
  });

  test.each([
    "did:webvh:example.com",
    `did:webvh:${scid}`,
    `did:webvh:${scid}::a`,
    `did:webvh:${scid.slice(1)}:example.com`,
    `did:webvh:${scid}x:example.com`,
    `did:webvh:${scid.replace("Qm", "zQ")}:example.com`,
    `did:webvh:${scid.slice(0, -1)}0:example.com`,
    `did:webvh:${scid}:127.0.0.1`,
    `did:webvh:${scid}:127%2E0%2E0%2E1`,
    `did:webvh:${scid}:127.0.0.1%3a8080`,
    `did:webvh:${scid}:2130706433`,
    `did:webvh:${scid}:example.com:..:secret`,
    `did:webvh:${scid}:example.com:%2e%2e:secret`,
    `did:webvh:${scid}:example.com:a%2Fb`,
    `did:webvh:${scid}:example.com%23`,
    `did:webvh:${scid}:user%40example.com`,
  ])("%s names no place", (did) => {
    expect(() => didWebvhUrl(parseDid(did), "did.jsonl", false)).toThrow(
      expect.objectContaining({ type: "did-not-found", retry: "never" }),
    );
  });
});

describe("logs of other implementations", () => {
  /** An egress that has these files, and nothing else. */
  const filesEgress = (files: Record<string, string | undefined>): Egress => ({
    get: async (url) => {
      const file = files[String(url)];
      const body = Buffer.from(file ?? "");
      return { status: file === undefined ? 404 : 200, headers: new Headers(), body, url: String(url) };
    },
    close: async () => {},
  });
  const fetchVector = (did: Did, log: string, proofs: string | undefined): Promise<FetchedDid> => {
    const [logUrl, witnessUrl] = (["did.jsonl", "did-witness.json"] as const).map((file) =>
      didWebvhUrl(did, file, false),
    );
    return fetchDidWebvh(did, {
      egress: filesEgress({ [String(logUrl)]: log, [String(witnessUrl)]: proofs }),
      clock,
      allowPrivateAddresses: false,
      hostBudget: { take: () => 0 },
      logVersions: new Map(),
    });
  };

  test.each(didWebvhVectors)("$name", async ({ did, log, witness: proofs, method, problem }) => {
    const fetched = fetchVector(parseDid(did), log, proofs);
    if (problem !== undefined) {
      const { type, reason } = problem;
      await expect(fetched).rejects.toMatchObject({ type, message: expect.stringContaining(reason) });
      return;
    }
    const { document } = await fetched;
    expect(document.id).toBe(did);
    if (method === undefined) return;
    const found = verificationMethodOf(document, method.relationship, method.id);
    expect(found?.publicKeyMultibase).toBe(method.publicKeyMultibase);
  });
});

describe("logs that didwebvh-ts writes", () => {
  interface Signer {
    getVerificationMethodId(): string;
    sign(input: { document: unknown; proof: object }): Promise<{ proofValue: string }>;
  }
  /** Signs as its users do, with keys of ours. */
  const signerOf = (key: WebvhKey): Signer => ({
    getVerificationMethodId: () => `did:key:${key.multikey}#${key.multikey}`,
    sign: async ({ document, proof }) => {
      const data: Uint8Array = await prepareDataForSigning(document, proof as never);
      return { proofValue: encodeMultibase(signBytes(null, data, key.privateKey)) };
    },
  });
  const verifier = {
    async verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): Promise<boolean> {
      const jwk = { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey).toString("base64url") };
      return verifyBytes(null, message, { key: jwk, format: "jwk" }, signature);
    },
  };
  const methodFor = (key: WebvhKey): { type: string; publicKeyMultibase: string; purpose: "assertionMethod" } => ({
    type: "Multikey",
    publicKeyMultibase: key.multikey,
    purpose: "assertionMethod",
  });
  const host = (path: string, log: unknown): void =>
    web.hostFile(path, "did.jsonl", textOf(JSON.parse(JSON.stringify(log)) as JsonObject[]));
  const address = (path: string): { address: string; paths: string[] } => ({
    address: web.location("").replace("127.0.0.1", "localhost"),
    paths: [path],
  });
  const refresh = (did: string): ReturnType<DidResolver["resolve"]> => {
    pass(limits.didFailureMsMax);
    return resolver.resolve(parseDid(did), { ageMsMax: 0 });
  };
  beforeEach(() => {
    // It asks the machine's clock for the time of an entry.
    now = new Date();
  });

  test("resolve here after each change: new keys, pre-rotation, deactivation", async () => {
    const [first, second, third] = [webvhKey(), webvhKey(), webvhKey()];
    const created = await createDID({
      ...address("ts"),
      signer: signerOf(first),
      verifier,
      updateKeys: [first.multikey],
      nextKeyHashes: [multihashOf(second.multikey)],
      verificationMethods: [methodFor(first)],
      created: "2026-01-01T00:00:00Z",
    });
    host("ts", created.log);
    const { document } = await refresh(created.did);
    const keyIds = document.assertionMethod.map(String);
    expect(keyIds).toHaveLength(1);
    expect(verificationMethodOf(document, "assertionMethod", keyIds[0] ?? "")?.publicKeyMultibase).toBe(first.multikey);

    const updated = await updateDID({
      log: created.log,
      signer: signerOf(second),
      verifier,
      updateKeys: [second.multikey],
      nextKeyHashes: [multihashOf(third.multikey)],
      verificationMethods: [methodFor(second)],
      updated: "2026-01-02T00:00:00Z",
    });
    host("ts", updated.log);
    expect((await refresh(created.did)).document.verificationMethod).toMatchObject([
      { publicKeyMultibase: second.multikey },
    ]);

    const ending = await updateDID({
      log: updated.log,
      signer: signerOf(third),
      verifier,
      updateKeys: [third.multikey],
      nextKeyHashes: [],
      verificationMethods: [methodFor(third)],
      updated: "2026-01-03T00:00:00Z",
    });
    const deactivated = await deactivateDID({ log: ending.log, signer: signerOf(third), verifier, updateKeys: [] });
    host("ts", deactivated.log);
    await expect(refresh(created.did)).rejects.toMatchObject({ type: "did-deactivated", status: 400, retry: "never" });
  });

  test("resolve here with the approval of their witnesses only", async () => {
    const created = await createDID({
      ...address("witnessed"),
      signer: signerOf(owner),
      verifier,
      updateKeys: [owner.multikey],
      witness: { threshold: 1, witnesses: [{ id: `did:key:${witness.multikey}` }] },
      verificationMethods: [methodFor(owner)],
      created: "2026-01-01T00:00:00Z",
    });
    host("witnessed", created.log);
    await expectEntryFault(refresh(created.did), 1, "did-witness.json answered with status 404");
    web.hostFile("witnessed", "did-witness.json", [approvalOf(created.log[0]?.versionId, [witness])]);
    expect((await refresh(created.did)).document.id).toBe(created.did);
  });

  test("vouch for a signed description", async () => {
    const key = { algorithm: "Ed25519" as const, bytes: Buffer.alloc(32, 7) };
    const seed = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), key.bytes]);
    const privateKey = createPrivateKey({ key: seed, format: "der", type: "pkcs8" });
    const jwk = privateKey.export({ format: "jwk" });
    const multikey = encodePublicKey("Ed25519", Buffer.from(jwk.x ?? "", "base64url"));
    const { did, doc, log } = await createDID({
      ...address("agent"),
      signer: signerOf({ multikey, privateKey }),
      verifier,
      updateKeys: [multikey],
      verificationMethods: [methodFor({ multikey, privateKey })],
      created: "2026-01-01T00:00:00Z",
    });
    host("agent", log);
    const id = String(doc.assertionMethod?.[0]);
    const signingKey = {
      id,
      controller: parseDid(did),
      algorithm: key.algorithm,
      privateKey,
      publicKeyMultibase: multikey,
    };
    const signed = signDocument({ title: "Weather" }, signingKey, { created: now });
    expect(await verifyProof(signed, { resolver, clock })).toMatchObject({ controller: did, verificationMethod: id });
    await expect(verifyProof({ ...signed, title: "Other" }, { resolver, clock })).rejects.toMatchObject({
      type: "invalid-proof",
    });
  });
});

describe("fetching a did:webvh", () => {
  test("reads the last document of the log", async () => {
    const log = continueLog(startAt("a"), { signers: [owner], state: { controller: "did:web:example.org" } });
    hostLog("a", log);
    expect((await resolver.resolve(log.did)).document).toEqual({
      id: log.did,
      controller: "did:web:example.org",
      ...stateFor(log.did, owner),
      authentication: [],
    });
    expect(web.requests).toEqual(["/a/did.jsonl"]);
  });

  test("lives as long as its answer says, or else its ttl, within bounds", async () => {
    const cases: [ttl: JsonValue | undefined, cacheControl: string | undefined, lifetimeMs: number][] = [
      [undefined, undefined, limits.didFreshMsMax],
      [1_800, undefined, 1_800_000],
      [1_800, "max-age=60", 60_000],
      [1_800, "public", 1_800_000],
      [1_800, "no-store", limits.didRefreshMsMin],
      [0, undefined, limits.didRefreshMsMin],
      [2 ** 31, undefined, limits.didLifetimeMsMax],
    ];
    for (const [at, [ttl, cacheControl, lifetimeMs]] of cases.entries()) {
      const log = startAt(`n${at}`, ttl === undefined ? {} : { ttl });
      hostLog(`n${at}`, log, cacheControl === undefined ? {} : { "cache-control": cacheControl });
      const first = await resolver.resolve(log.did);
      pass(lifetimeMs - 1);
      expect(await resolver.resolve(log.did)).toBe(first);
      pass(1);
      expect(await resolver.resolve(log.did)).not.toBe(first);
    }
  });

  test("tells a log that is missing from a host that cannot be asked", async () => {
    const log = startAt("a");
    for (const status of [404, 410, 403, 204]) {
      web.hostFile("a", "did.jsonl", status === 204 ? "" : {}, status);
      await expect(resolver.resolve(log.did)).rejects.toMatchObject({ type: "did-not-found", retry: "never" });
      pass(limits.didFailureMsMax);
    }
    web.hostFile("a", "did.jsonl", {}, 503);
    await expect(resolver.resolve(log.did)).rejects.toMatchObject({ type: "did-unavailable", retry: "later" });
  });

  test("needs the witness file where there are witnesses, and asks for it nowhere else", async () => {
    const log = startAt("a", { witness: witnessRule(1, [witness]) });
    hostLog("a", log);
    await expectEntryFault(resolver.resolve(log.did), 1, "status 404");
    const answers: [unknown, number, object][] = [
      ["not json", 200, { type: "did-not-found" }],
      ['[{"versionId":"a","versionId":"b"}]', 200, { type: "did-not-found" }],
      [[], 200, { type: "did-not-found", message: expect.stringContaining("entry 1") }],
      [`["${"x".repeat(limits.documentBytesMax)}"]`, 200, { type: "did-not-found" }],
      [{}, 503, { type: "did-unavailable" }],
    ];
    for (const [body, status, problem] of answers) {
      pass(limits.didFailureMsMax);
      web.hostFile("a", "did-witness.json", body, status);
      await expect(resolver.resolve(log.did)).rejects.toMatchObject(problem);
    }
    pass(limits.didFailureMsMax);
    web.hostFile("a", "did-witness.json", [approvalOf(log.entries[0]?.["versionId"], [witness])]);
    expect((await resolver.resolve(log.did)).document.id).toBe(log.did);
  });

  test("refuses another DID's log at its address, and its own log at another's", async () => {
    const [mine, other] = [startAt("a"), startAt("b")];
    hostLog("a", other);
    await expectEntryFault(resolver.resolve(mine.did), 1, "another DID");
    hostLog("b", other);
    const alias = parseDid(other.did.replace(/b$/, "c"));
    hostLog("c", other);
    await expectEntryFault(resolver.resolve(alias), 1, "to which the DID has moved");
    expect((await resolver.resolve(other.did)).document.id).toBe(other.did);
  });

  test("refuses a log that lost what was seen in it, also after a failure and after its end", async () => {
    const first = startAt("a");
    const second = continueLog(first, { signers: [owner], state: { assertionMethod: [] } });
    const third = continueLog(second, { signers: [owner], parameters: { deactivated: true } });
    const refresh = (): ReturnType<DidResolver["resolve"]> => {
      pass(limits.didFailureMsMax);
      return resolver.resolve(first.did, { ageMsMax: 0 });
    };
    hostLog("a", first);
    await refresh();
    hostLog("a", second);
    await refresh();
    hostLog("a", first);
    await expectEntryFault(refresh(), 2, "seen before");
    await expectEntryFault(refresh(), 2, "seen before");
    const fork = continueLog(first, { signers: [owner], state: stateFor(first.did, webvhKey()) });
    hostLog("a", fork);
    await expectEntryFault(refresh(), 2, "seen before");
    hostLog("a", third);
    await expect(refresh()).rejects.toMatchObject({ type: "did-deactivated" });
    hostLog("a", second);
    await expectEntryFault(refresh(), 3, "seen before");
  });

  test("refuses a log with a document that cannot be used", async () => {
    const location = web.location("a");
    const log = startLog({ location, signers: [owner], state: { verificationMethod: {} } });
    hostLog("a", log);
    await expectEntryFault(resolver.resolve(log.did), 1, "verificationMethod");
  });

  test("refuses a log that is too large for anybody to send", async () => {
    const log = startAt("a");
    web.hostFile("a", "did.jsonl", textOf(log.entries).padEnd(limits.didLogBytesMax + 1));
    await expect(resolver.resolve(log.did)).rejects.toMatchObject({
      type: "did-not-found",
      message: expect.stringContaining(`${limits.didLogBytesMax} bytes`),
    });
    pass(limits.didFailureMsMax);
    web.hostFile("a", "did.jsonl", textOf(log.entries).padEnd(limits.egressBytesMax + 1));
    await expect(resolver.resolve(log.did)).rejects.toMatchObject({ type: "did-not-found" });
  });
});
