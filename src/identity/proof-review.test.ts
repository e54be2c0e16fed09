import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agent } from "../../test/fixtures/tampering.ts";
import { type DidWebHost, startDidWebHost } from "../../test/support/did-web-host.ts";
import { refusingEgress } from "../../test/support/egress.ts";
import { createEgress, type Egress } from "../base/egress.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { parseDid } from "./did.ts";
import { didDocumentOf, readDidDocument } from "./did-document.ts";
import { generateSigningKey, type KeyFile, loadSigningKey } from "./keys.ts";
import { reviewProof, type Verification, verifyProof } from "./proof.ts";
import { createDidResolver, type DidResolution, type DidResolver } from "./resolver.ts";
import { signDocument } from "./sign.ts";

let now: Date;
const clock = { now: (): Date => now };
const pass = (ms: number): void => {
  now = new Date(now.getTime() + ms);
};
beforeEach(() => {
  now = new Date("2026-11-21T09:00:00Z");
});

describe("reviewing the proof of an accepted document", () => {
  const key = generateSigningKey({ web: "example.org:agents" });
  const created = new Date("2026-11-20T09:00:00Z");
  const signed = signDocument(agent, loadSigningKey(key), { created });
  const standing = (document: JsonObject, didDocument: JsonObject): ReturnType<typeof reviewProof> => {
    const read = readDidDocument(didDocument, parseDid(key.controller));
    if (typeof read === "string") throw new Error(read);
    const resolution: DidResolution = { document: read, retrievedAt: now };
    return reviewProof(document, resolution, now);
  };
  const listed = didDocumentOf(key);
  /** The DID document with other members in its key. */
  const withKey = (changes: JsonObject): JsonObject => {
    const [method = {}] = listed["verificationMethod"] as JsonObject[];
    return { ...listed, verificationMethod: [{ ...method, ...changes }] };
  };
  const fails = (reason: string, words: string): object => ({
    holds: false,
    reason,
    detail: expect.stringContaining(words),
  });

  test("it holds as long as the key is there, and however long ago it was made", () => {
    expect(standing(signed, listed)).toEqual({ holds: true });
    pass(10 * 365 * 24 * 60 * 60 * 1000);
    expect(standing(signed, listed)).toEqual({ holds: true });
    now = new Date("2020-01-01T00:00:00Z");
    expect(standing(signed, listed)).toEqual({ holds: true });
  });

  test("it expires at the instant that it names", () => {
    const expiring = signDocument(agent, loadSigningKey(key), {
      created,
      expires: new Date("2026-11-21T09:00:00.001Z"),
    });
    expect(standing(expiring, listed)).toEqual({ holds: true });
    pass(1);
    expect(standing(expiring, listed)).toEqual(fails("proof-expired", "2026-11-21T09:00:00.001"));
  });

  test("a key that is listed for assertions no more is absent", () => {
    const gone = fails("key-absent", "assertionMethod");
    expect(standing(signed, { ...listed, verificationMethod: [], assertionMethod: [] })).toEqual(gone);
    expect(standing(signed, { ...listed, assertionMethod: [] })).toEqual(gone);
    expect(standing(signed, { ...listed, verificationMethod: [] })).toEqual(gone);
    expect(standing(signed, { id: key.controller })).toEqual(gone);
  });

  test("a key is revoked by its `revoked` or `expires`, once that has passed", () => {
    for (const name of ["revoked", "expires"]) {
      expect(standing(signed, withKey({ [name]: "2026-11-21T09:00:00Z" }))).toEqual(fails("key-revoked", name));
      expect(standing(signed, withKey({ [name]: "unreadable" }))).toEqual(fails("key-revoked", name));
      expect(standing(signed, withKey({ [name]: "2026-11-21T09:00:00.001Z" }))).toEqual({ holds: true });
    }
  });

  test("another key under the same id is a changed one, and so is one that cannot be read or is another's", () => {
    const { publicKeyMultibase } = generateSigningKey();
    expect(standing(signed, withKey({ publicKeyMultibase }))).toEqual(fails("key-changed", "proofValue"));
    const other = generateSigningKey({ algorithm: "P-256" }).publicKeyMultibase;
    expect(standing(signed, withKey({ publicKeyMultibase: other }))).toEqual(fails("key-changed", "cryptosuite"));
    expect(standing(signed, withKey({ publicKeyMultibase: "z6Mk" }))).toEqual(fails("key-changed", "leads to a key"));
    const controller = "did:web:other.example";
    expect(standing(signed, withKey({ controller }))).toEqual(fails("key-changed", "controller"));
  });

  test("a document without a proof could not have been accepted", () => {
    expect(() => standing(agent, listed)).toThrow(expect.objectContaining({ type: "invalid-proof" }));
  });

  test("it says of a did:key what verifying says", async () => {
    const own = generateSigningKey();
    const document = signDocument(agent, loadSigningKey(own), { created });
    const resolver = createDidResolver({ egress: refusingEgress, clock });
    const resolution = await resolver.resolve(parseDid(own.controller));
    expect(reviewProof(document, resolution, now)).toEqual({ holds: true });
    const changed = { ...document, title: "Other" };
    expect(reviewProof(changed, resolution, now)).toEqual(fails("key-changed", "proofValue"));
    await expect(verifyProof(changed, { resolver, clock })).rejects.toMatchObject({ type: "invalid-proof" });
  });
});

describe("verifying for a write", () => {
  let web: DidWebHost;
  let egress: Egress;
  let resolver: DidResolver;
  let key: KeyFile;
  beforeEach(async () => {
    web = await startDidWebHost();
    egress = createEgress({ allowPrivateAddresses: true, msMax: 1_000 });
    resolver = createDidResolver({ egress, clock, allowPrivateAddresses: true });
    key = generateSigningKey({ web: web.location("agents") });
    web.host("agents", didDocumentOf(key), 200, { "cache-control": "max-age=86400" });
  });
  afterEach(async () => {
    await egress.close();
    await web[Symbol.asyncDispose]();
  });
  const sign = (title: string): JsonObject => signDocument({ ...agent, title }, loadSigningKey(key), { created: now });
  const verify = (document: JsonObject): Promise<Verification> =>
    verifyProof(document, { resolver, clock, ageMsMax: limits.didWriteAgeMsMax });

  test("a burst of one controller costs one request", async () => {
    for (let at = 0; at < 20; at += 1) await verify(sign(`Agent ${at}`));
    await Promise.all(Array.from({ length: 20 }, (_, at) => verify(sign(`Agent ${at}`))));
    pass(limits.didWriteAgeMsMax);
    await verify(sign("Agent"));
    expect(web.requests).toHaveLength(1);
  });

  test("a key that was taken out is refused within ten seconds, whatever lifetime its document had", async () => {
    expect(limits.didWriteAgeMsMax).toBe(10_000);
    const signed = sign("Agent");
    await verify(signed);
    web.host("agents", { ...didDocumentOf(key), assertionMethod: [] });
    pass(limits.didWriteAgeMsMax + 1);
    // Readers may still see the old document.
    await verifyProof(signed, { resolver, clock });
    await expect(verify(signed)).rejects.toMatchObject({
      type: "invalid-proof",
      validationErrors: [expect.objectContaining({ field: "/proof/verificationMethod" })],
    });
  });

  test("no old document stands in for a host that cannot be asked", async () => {
    const signed = sign("Agent");
    await verify(signed);
    web.host("agents", {}, 500);
    pass(limits.didWriteAgeMsMax + 1);
    await expect(verify(signed)).rejects.toMatchObject({
      type: "did-unavailable",
      status: 503,
      retry: "later",
      retryAfterSeconds: limits.didFailureMsMax / 1000,
    });
    expect(await resolver.resolveStale(parseDid(key.controller))).toMatchObject({ stale: false });
    web.host("agents", didDocumentOf(key));
    pass(limits.didFailureMsMax - 1);
    await expect(verify(signed)).rejects.toMatchObject({ type: "did-unavailable", retryAfterSeconds: 1 });
    expect(web.requests).toHaveLength(2);
    pass(1);
    await verify(signed);
  });

  test("a DID that was deactivated signs no more", async () => {
    const signed = sign("Agent");
    await verify(signed);
    web.host("agents", {}, 410);
    pass(limits.didWriteAgeMsMax + 1);
    await expect(verify(signed)).rejects.toMatchObject({ type: "did-deactivated", status: 400, retry: "never" });
  });
});
