import { generateKeyPairSync, hash, type KeyObject, sign as signBytes } from "node:crypto";
import { base58 } from "@scure/base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dataIntegrityVectors, documentHash } from "../../test/fixtures/data-integrity-vectors.ts";
import { agent, agentKey, signAs, strangerKey } from "../../test/fixtures/tampering.ts";
import { type DidWebHost, startDidWebHost } from "../../test/support/did-web-host.ts";
import { refusingEgress } from "../../test/support/egress.ts";
import { canonicalize } from "../base/canonical.ts";
import { createEgress, type Egress } from "../base/egress.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { hashDataOf, signHashData, verifyHashData } from "./cryptosuite.ts";
import { didDocumentOf } from "./did-document.ts";
import { generateSigningKey, loadSigningKey, type SigningKey } from "./keys.ts";
import { type Algorithm, decodeMultibase, encodeMultibase } from "./multikey.ts";
import { verifyProof } from "./proof.ts";
import { importMultikey } from "./public-key.ts";
import { createDidResolver, type DidResolver } from "./resolver.ts";
import { signDocument } from "./sign.ts";

let now = new Date("2026-11-21T09:00:00Z");
const clock = { now: (): Date => now };
const offline = createDidResolver({ egress: refusingEgress, clock });
const verifyOffline = (document: JsonObject): ReturnType<typeof verifyProof> =>
  verifyProof(document, { resolver: offline, clock });
const fieldOf = (field: string): object =>
  expect.objectContaining({
    type: "invalid-proof",
    status: 400,
    validationErrors: [expect.objectContaining({ field })],
  });

beforeEach(() => {
  now = new Date("2026-11-21T09:00:00Z");
});

describe("published test vectors", () => {
  test.each(dataIntegrityVectors)("$name", ({ publicKeyMultibase, signed }) => {
    const proof = signed["proof"] as JsonObject;
    const { algorithm, key } = importMultikey(publicKeyMultibase);
    const signature = decodeMultibase(String(proof["proofValue"]));
    const hashData = hashDataOf(signed, proof, algorithm);
    if (algorithm !== "P-384") expect(hashData.subarray(32).toString("hex")).toBe(documentHash);
    expect(verifyHashData(hashData, algorithm, key, signature)).toBe(true);
    const changed = hashDataOf({ ...signed, name: "Other" }, proof, algorithm);
    expect(verifyHashData(changed, algorithm, key, signature)).toBe(false);
  });

  const byDid = dataIntegrityVectors.filter(({ signed }) =>
    String((signed["proof"] as JsonObject)["verificationMethod"]).startsWith("did:key:"),
  );
  test.each(byDid)("$name, from end to end", async ({ signed, publicKeyMultibase }) => {
    expect(await verifyOffline(signed)).toMatchObject({
      controller: `did:key:${publicKeyMultibase}`,
      created: "2023-02-24T23:36:38.000000000Z",
      expires: null,
      verifiedAt: now,
    });
  });

  test("the canonical form is that of RFC 8785 §3.2.2 and §3.2.3", () => {
    const numbers = [JSON.parse("333333333.33333329") as number, 1e30, 4.5, 2e-3, 0.000000000000000000000000001];
    const string = '\u20ac$\u000f\nA\'B"\\\\"/';
    expect(canonicalize({ numbers, string, literals: [null, true, false] })).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    const members = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7 };
    expect(
      canonicalize(members)
        .match(/(?<=:)\d/g)
        ?.join(""),
    ).toBe("2467153");
  });
});

describe("the rules of a proof", () => {
  const options: JsonObject = {
    type: "DataIntegrityProof",
    cryptosuite: "eddsa-jcs-2022",
    created: "2026-11-21T08:59:59Z",
    verificationMethod: agentKey.id,
    proofPurpose: "assertionMethod",
  };
  const signWith = (changes: JsonObject): JsonObject => signAs(agent, { ...options, ...changes }, agentKey);

  test("what a sound one says", async () => {
    const signed = signWith({ created: "2026-11-21T09:59:59.5+01:00", expires: "2026-11-21T09:00:00.001Z" });
    expect(await verifyOffline(signed)).toEqual({
      controller: agentKey.controller,
      verificationMethod: agentKey.id,
      cryptosuite: "eddsa-jcs-2022",
      created: "2026-11-21T08:59:59.500000000Z",
      expires: new Date("2026-11-21T09:00:00.001Z"),
      verifiedAt: now,
      signedDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test.each<[string, JsonObject, string]>([
    ["type", { type: "Ed25519Signature2020" }, "type"],
    ["suite", { cryptosuite: "eddsa-rdfc-2022" }, "cryptosuite"],
    ["suite for another key", { cryptosuite: "ecdsa-jcs-2019" }, "cryptosuite"],
    ["purpose", { proofPurpose: "authentication" }, "proofPurpose"],
    ["created", { created: "yesterday" }, "created"],
    ["expires", { expires: "tomorrow" }, "expires"],
    ["past", { expires: "2026-11-21T08:59:59.999Z" }, "expires"],
    ["chain", { previousProof: [] }, "previousProof"],
    ["context", { "@context": "https://www.w3.org/2022/wot/td/v1.1" }, "@context"],
    ["method", { verificationMethod: agentKey.controller }, "verificationMethod"],
    ["method of another", { verificationMethod: strangerKey.id }, "proofValue"],
    ["unlisted method", { verificationMethod: `${agentKey.controller}#key-1` }, "verificationMethod"],
  ])("an unfit %s is named", async (_name, changes, field) => {
    await expect(verifyOffline(signWith(changes))).rejects.toEqual(fieldOf(`/proof/${field}`));
  });

  test.each<[string, JsonValue | undefined]>([
    ["missing", undefined],
    ["null", null],
    ["text", "proof"],
    ["an array of one", [signWith({})["proof"] ?? null]],
  ])("a proof that is %s is named", async (_name, proof) => {
    const { proof: _proof, ...rest } = signWith({});
    const document = proof === undefined ? rest : { ...rest, proof };
    await expect(verifyOffline(document)).rejects.toEqual(fieldOf("/proof"));
  });

  test("created may be ahead by the tolerated skew, and by no nanosecond more", async () => {
    const ahead = new Date(now.getTime() + limits.clockSkewMsMax).toISOString();
    await verifyOffline(signWith({ created: ahead }));
    const over = ahead.replace("Z", "000001Z");
    await expect(verifyOffline(signWith({ created: over }))).rejects.toEqual(fieldOf("/proof/created"));
    now = new Date(now.getTime() + 1);
    await verifyOffline(signWith({ created: over }));
  });

  test("expires is the first instant at which the proof does not count", async () => {
    const signed = signWith({ expires: "2026-11-21T09:00:00.000000001Z" });
    await verifyOffline(signed);
    now = new Date(now.getTime() + 1);
    await expect(verifyOffline(signed)).rejects.toEqual(fieldOf("/proof/expires"));
    await expect(verifyOffline(signWith({ expires: now.toISOString() }))).rejects.toEqual(fieldOf("/proof/expires"));
  });

  test("unknown methods and DIDs are told from bad proofs", async () => {
    await expect(verifyOffline(signWith({ verificationMethod: "did:example:1#k" }))).rejects.toMatchObject({
      type: "unsupported-did-method",
    });
    await expect(verifyOffline(signWith({ verificationMethod: "did:key:z6MkO#k" }))).rejects.toMatchObject({
      type: "did-not-found",
    });
  });

  test("one signed digest for all signatures of one document, another for other options", async () => {
    const key = loadSigningKey(generateSigningKey({ algorithm: "P-256" }));
    const created = new Date("2026-01-01T00:00:00Z");
    const digestOf = async (document: JsonObject): Promise<string> => (await verifyOffline(document)).signedDigest;
    const [one, two] = [signDocument(agent, key, { created }), signDocument(agent, key, { created })];
    // ECDSA signatures differ each time, and anybody can make the second of each, (r, -s).
    expect(one["proof"]).not.toEqual(two["proof"]);
    expect(await digestOf(one)).toBe(await digestOf(two));
    const mirrored = { ...one, proof: mirror(one["proof"] as JsonObject) };
    expect(mirrored["proof"]).not.toEqual(one["proof"]);
    expect(await digestOf(mirrored)).toBe(await digestOf(one));
    const later = signDocument(agent, key, { created: new Date("2026-01-01T00:00:00.001Z") });
    expect(await digestOf(later)).not.toBe(await digestOf(one));
    const other = signDocument({ ...agent, title: "Other" }, key, { created });
    expect(await digestOf(other)).not.toBe(await digestOf(one));
  });
});

/** The other signature that holds wherever an ECDSA signature on P-256 does. */
function mirror(proof: JsonObject): JsonObject {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const signature = Buffer.from(decodeMultibase(String(proof["proofValue"])));
  const s = order - BigInt(`0x${signature.subarray(32).toString("hex")}`);
  signature.write(s.toString(16).padStart(64, "0"), 32, "hex");
  return { ...proof, proofValue: encodeMultibase(signature) };
}

describe("keys of a did:web", () => {
  let web: DidWebHost;
  let egress: Egress;
  let resolver: DidResolver;
  beforeEach(async () => {
    web = await startDidWebHost();
    egress = createEgress({ allowPrivateAddresses: true, msMax: 1_000 });
    resolver = createDidResolver({ egress, clock, allowPrivateAddresses: true });
  });
  afterEach(async () => {
    await egress.close();
    await web[Symbol.asyncDispose]();
  });

  /** A key of the DID at `path`, its document as it should be, and a description signed with it. */
  function prepare(path: string, algorithm: Algorithm = "Ed25519"): { method: JsonObject; signed: JsonObject } {
    const { privateKey, publicKey } =
      algorithm === "Ed25519"
        ? generateKeyPairSync("ed25519")
        : generateKeyPairSync("ec", { namedCurve: algorithm === "P-256" ? "prime256v1" : "secp384r1" });
    const controller = web.did(path);
    const publicKeyJwk = publicKey.export({ format: "jwk" }) as JsonObject;
    const method = { id: `${controller}#key-1`, type: "JsonWebKey", controller, publicKeyJwk };
    return { method, signed: sign(`${controller}#key-1`, algorithm, privateKey) };
  }
  function sign(id: string, algorithm: Algorithm, privateKey: KeyObject, title = "By did:web"): JsonObject {
    const key = { id, controller: id.split("#")[0], algorithm, privateKey, publicKeyMultibase: "" } as SigningKey;
    return signDocument({ ...agent, title }, key, { created: new Date("2026-11-21T08:00:00Z") });
  }
  const documentOf = (method: JsonObject): JsonObject => ({
    id: method["controller"] ?? null,
    verificationMethod: [method],
    assertionMethod: [method["id"] ?? null],
  });
  const verify = (document: JsonObject): ReturnType<typeof verifyProof> => verifyProof(document, { resolver, clock });

  test.each(["Ed25519", "P-256", "P-384"] as const)("%s as a JWK", async (algorithm) => {
    const { method, signed } = prepare("jwk", algorithm);
    web.host("jwk", documentOf(method));
    expect(await verify(signed)).toMatchObject({ controller: web.did("jwk"), verificationMethod: method["id"] });
    web.host("jwk", documentOf({ ...method, type: "JsonWebKey2020" }));
    now = new Date(now.getTime() + limits.didFreshMsMax);
    await verify(signed);
  });

  test("Ed25519 in its other forms", async () => {
    const { method, signed } = prepare("forms");
    const raw = Buffer.from(String((method["publicKeyJwk"] as JsonObject)["x"]), "base64url");
    const publicKeyMultibase = `z${base58.encode(Buffer.concat([Buffer.of(0xed, 0x01), raw]))}`;
    const { publicKeyJwk: _jwk, ...bare } = method;
    const forms: JsonObject[] = [
      { ...bare, type: "Multikey", publicKeyMultibase },
      { ...bare, type: "Ed25519VerificationKey2020", publicKeyMultibase },
      { ...bare, type: "Ed25519VerificationKey2018", publicKeyBase58: base58.encode(raw) },
    ];
    for (const form of forms) {
      web.host("forms", documentOf(form));
      now = new Date(now.getTime() + limits.didFreshMsMax);
      expect((await verify(signed)).controller, String(form["type"])).toBe(web.did("forms"));
    }
  });

  test("P-256 and P-384 as Multikey, in a document of our own making", async () => {
    const file = generateSigningKey({ algorithm: "P-256", web: `${web.did("own").slice("did:web:".length)}` });
    web.host("own", didDocumentOf(file));
    const signed = signDocument(agent, loadSigningKey(file), { created: now });
    expect((await verify(signed)).verificationMethod).toBe(file.id);
  });

  test.each<[string, (method: JsonObject) => JsonObject, string]>([
    ["a relative reference", (m) => ({ ...documentOf(m), assertionMethod: ["#key-1"] }), ""],
    ["a relative id", (m) => ({ ...documentOf(m), verificationMethod: [{ ...m, id: "#key-1" }] }), ""],
    ["an embedded key", (m) => ({ id: m["controller"] ?? null, assertionMethod: [m] }), ""],
    [
      "a key that is for authentication only",
      (m) => ({ ...documentOf(m), assertionMethod: [], authentication: [m] }),
      "verificationMethod",
    ],
    ["a reference to nothing", (m) => ({ ...documentOf(m), verificationMethod: [] }), "verificationMethod"],
    [
      "the controller of another",
      (m) => ({ ...documentOf(m), verificationMethod: [{ ...m, controller: "did:web:other.example" }] }),
      "verificationMethod",
    ],
    [
      "a form unknown here",
      (m) => documentOf({ ...m, type: "EcdsaSecp256k1VerificationKey2019" }),
      "verificationMethod",
    ],
    ["a key for encryption", (m) => documentOf(withJwk(m, { use: "enc" })), "verificationMethod"],
    ["a key for signatures", (m) => documentOf(withJwk(m, { use: "sig" })), ""],
    ["a curve unknown here", (m) => documentOf(withJwk(m, { crv: "Ed448" })), "verificationMethod"],
    ["a key that is too short", (m) => documentOf(withJwk(m, { x: "AAAA" })), "verificationMethod"],
    [
      "a key with padding",
      (m) => documentOf(withJwk(m, { x: `${String((m["publicKeyJwk"] as JsonObject)["x"])}=` })),
      "verificationMethod",
    ],
    ["another key", (m) => documentOf(withJwk(m, { x: Buffer.alloc(32, 9).toString("base64url") })), "proofValue"],
    ["no key", (m) => documentOf({ ...m, publicKeyJwk: null }), "verificationMethod"],
    ["a key of its type's other form", (m) => documentOf({ ...m, type: "Multikey" }), "verificationMethod"],
    ["a private part beside it", (m) => documentOf(withJwk(m, { d: "secret" })), ""],
    ["an end that has come", (m) => documentOf({ ...m, expires: "2026-11-21T09:00:00Z" }), "verificationMethod"],
    ["an end to come", (m) => documentOf({ ...m, expires: "2026-11-21T09:00:00.001Z" }), ""],
    ["a revocation", (m) => documentOf({ ...m, revoked: "2026-11-21T08:00:00Z" }), "verificationMethod"],
    ["a revocation that cannot be read", (m) => documentOf({ ...m, revoked: "recently" }), "verificationMethod"],
  ])("%s", async (_name, change, field) => {
    const { method, signed } = prepare("shape");
    web.host("shape", change(method));
    if (field === "") await verify(signed);
    else await expect(verify(signed)).rejects.toEqual(fieldOf(`/proof/${field}`));
  });

  test("an Ed25519VerificationKey2020 that holds another kind of key is refused", async () => {
    const file = generateSigningKey({ algorithm: "P-256", web: web.did("odd").slice("did:web:".length) });
    web.host("odd", documentOf({ ...file, type: "Ed25519VerificationKey2020" }));
    const signed = signDocument(agent, loadSigningKey(file), { created: now });
    await expect(verify(signed)).rejects.toEqual(fieldOf("/proof/verificationMethod"));
  });

  test("a DID that cannot be had is not a bad proof", async () => {
    const { signed } = prepare("gone");
    await expect(verify(signed)).rejects.toMatchObject({ type: "did-not-found", retry: "never" });
    web.host("gone", {}, 500);
    now = new Date(now.getTime() + limits.didFailureMsMax);
    await expect(verify(signed)).rejects.toMatchObject({ type: "did-unavailable", status: 503, retry: "later" });
  });

  test("a host cannot speak for another DID", async () => {
    const { method, signed } = prepare("mine");
    web.host("mine", { ...documentOf(method), id: "did:web:victim.example" });
    await expect(verify(signed)).rejects.toMatchObject({ type: "did-not-found" });
  });

  test("a new key is found by asking again, though not more often than every few seconds", async () => {
    const old = prepare("rotated");
    const rotated = prepare("rotated");
    web.host("rotated", documentOf(old.method));
    await verify(old.signed);
    web.host("rotated", documentOf(rotated.method));
    now = new Date(now.getTime() + limits.didRefreshMsMin);
    await expect(verify(rotated.signed)).rejects.toEqual(fieldOf("/proof/proofValue"));
    expect(web.requests).toHaveLength(1);
    now = new Date(now.getTime() + 1);
    await verify(rotated.signed);
    expect(web.requests).toHaveLength(2);
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await expect(verify(old.signed)).rejects.toEqual(fieldOf("/proof/proofValue"));
    }
    expect(web.requests).toHaveLength(2);
  });

  test("the hash follows the key: SHA-384 for P-384", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
    const controller = web.did("hash");
    const id = `${controller}#key-1`;
    const publicKeyJwk = publicKey.export({ format: "jwk" }) as JsonObject;
    web.host("hash", documentOf({ id, type: "JsonWebKey", controller, publicKeyJwk }));
    const signed = sign(id, "P-384", privateKey);
    const proof = signed["proof"] as JsonObject;
    expect(hashDataOf(signed, proof, "P-384")).toHaveLength(96);
    await verify(signed);
    // A signature over SHA-256 hashes, as the same suite has it for P-256.
    const { proof: _proof, ...document } = signed;
    const { proofValue: _value, ...options } = proof;
    const short = Buffer.concat([options, document].map((part) => hash("sha256", canonicalize(part), "buffer")));
    const signature = signBytes("sha256", short, { key: privateKey, dsaEncoding: "ieee-p1363" });
    const weak = { ...document, proof: { ...options, proofValue: encodeMultibase(signature) } };
    await expect(verify(weak)).rejects.toEqual(fieldOf("/proof/proofValue"));
    expect(signHashData(short, "P-384", privateKey)).toHaveLength(96);
  });
});

function withJwk(method: JsonObject, changes: JsonObject): JsonObject {
  return { ...method, publicKeyJwk: { ...(method["publicKeyJwk"] as JsonObject), ...changes } };
}
