import { DataIntegrityProof } from "@digitalbazaar/data-integrity";
import * as ecdsaSuite from "@digitalbazaar/ecdsa-jcs-2019-cryptosuite";
import * as ecdsaMultikey from "@digitalbazaar/ecdsa-multikey";
import * as ed25519Multikey from "@digitalbazaar/ed25519-multikey";
import * as eddsaSuite from "@digitalbazaar/eddsa-jcs-2022-cryptosuite";
import signatures from "jsonld-signatures";
import { describe, expect, test } from "vitest";
import { agent } from "../../test/fixtures/tampering.ts";
import { refusingEgress } from "../../test/support/egress.ts";
import { systemClock } from "../base/clock.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../base/json.ts";
import { parseDid } from "./did.ts";
import { didDocumentOf } from "./did-document.ts";
import { generateSigningKey, loadSigningKey } from "./keys.ts";
import type { Algorithm } from "./multikey.ts";
import { verifyProof } from "./proof.ts";
import { createDidResolver } from "./resolver.ts";
import { signDocument } from "./sign.ts";

const resolver = createDidResolver({ egress: refusingEgress, clock: systemClock });
const multikeyContext = "https://w3id.org/security/multikey/v1";

/** Serves the documents and keys of did:key, and nothing else. */
async function documentLoader(url: string): Promise<{ contextUrl: null; documentUrl: string; document: object }> {
  const [did = "", fragment] = url.split("#");
  if (!did.startsWith("did:key:")) throw new Error(`${url} is not to be loaded`);
  const publicKeyMultibase = did.slice("did:key:".length);
  const key = { id: `${did}#${publicKeyMultibase}`, controller: did, publicKeyMultibase };
  const document =
    fragment === undefined ? didDocumentOf(key) : { "@context": multikeyContext, type: "Multikey", ...key };
  return { contextUrl: null, documentUrl: url, document };
}

const purposes = signatures.purposes;
const suites: Record<Algorithm, { multikey: typeof ed25519Multikey; suite: typeof eddsaSuite; name: string }> = {
  Ed25519: { multikey: ed25519Multikey, suite: eddsaSuite, name: "eddsa-jcs-2022" },
  "P-256": { multikey: ecdsaMultikey as typeof ed25519Multikey, suite: ecdsaSuite, name: "ecdsa-jcs-2019" },
  "P-384": { multikey: ecdsaMultikey as typeof ed25519Multikey, suite: ecdsaSuite, name: "ecdsa-jcs-2019" },
};

/** Signs as an owner would who uses the Digital Bazaar libraries. */
async function signElsewhere(document: JsonObject, algorithm: Algorithm): Promise<{ did: string; text: string }> {
  const { multikey, suite } = suites[algorithm];
  const made = await multikey.generate({ curve: algorithm } as never);
  const exported = await made.export({ publicKey: true, secretKey: true, includeContext: true });
  const did = `did:key:${String(exported["publicKeyMultibase"])}`;
  const key = await multikey.from({
    ...exported,
    controller: did,
    id: `${did}#${String(exported["publicKeyMultibase"])}`,
  });
  const signed = await signatures.sign(structuredClone(document), {
    suite: new DataIntegrityProof({ signer: key.signer(), cryptosuite: suite.createSignCryptosuite() }),
    purpose: new purposes.AssertionProofPurpose(),
    documentLoader,
  });
  return { did, text: JSON.stringify(signed) };
}

async function verifyElsewhere(document: JsonObject, algorithm: Algorithm): Promise<string> {
  // As it comes over a wire: no two parts of it are one object.
  const result = await signatures.verify(parseObject(JSON.stringify(document)), {
    suite: new DataIntegrityProof({ cryptosuite: suites[algorithm].suite.createVerifyCryptosuite() }),
    purpose: new purposes.AssertionProofPurpose(),
    documentLoader,
  });
  return result.verified ? "verified" : String(result.error?.errors?.[0] ?? result.error);
}

function parseObject(text: string): JsonObject {
  const { value } = parseJson(Buffer.from(text));
  if (!isJsonObject(value)) throw new Error("not an object");
  return value;
}

describe("the Digital Bazaar Data Integrity libraries", () => {
  test.each(["Ed25519", "P-256", "P-384"] as const)("sign with %s what we verify", async (algorithm) => {
    const { did, text } = await signElsewhere(agent, algorithm);
    const signed = parseObject(text);
    expect(await verifyProof(signed, { resolver, clock: systemClock })).toMatchObject({
      controller: did,
      cryptosuite: suites[algorithm].name,
    });
    await expect(
      verifyProof({ ...signed, title: "Evil Agent" }, { resolver, clock: systemClock }),
    ).rejects.toMatchObject({ type: "invalid-proof" });
  });

  const plainContext = "https://www.w3.org/2022/wot/td/v1.1";
  const contexts: Record<string, JsonValue> = {
    "an inline context": agent["@context"] ?? null,
    "one context": plainContext,
    "several contexts": [plainContext, "https://w3id.org/security/data-integrity/v2"],
  };
  const documents = Object.entries(contexts).map(
    ([name, context]) => [name, { ...agent, "@context": context }] as const,
  );

  describe.each(documents)("verify what we sign that has %s", (_name, document) => {
    test.each(["Ed25519", "P-256"] as const)("with %s", async (algorithm) => {
      const key = loadSigningKey(generateSigningKey({ algorithm }));
      const created = new Date("2026-01-02T03:04:05.678Z");
      const signed = signDocument(document, key, { created, expires: new Date("2999-01-01T00:00:00Z") });
      expect(await verifyElsewhere(signed, algorithm)).toBe("verified");
      expect(await verifyElsewhere({ ...signed, title: "Evil Agent" }, algorithm)).toMatch(/Invalid signature/);
      await verifyProof(signed, { resolver, clock: systemClock });
    });
  });

  test("verify what we sign with a P-384 key of theirs", async () => {
    const made = await ecdsaMultikey.generate({ curve: "P-384" });
    const exported = await made.export({ publicKey: true, secretKey: true });
    const controller = parseDid(`did:key:${String(exported["publicKeyMultibase"])}`);
    const id = `${controller}#${String(exported["publicKeyMultibase"])}`;
    const signed = signDocument(agent, loadSigningKey({ ...exported, id, controller }), { created: new Date() });
    expect(await verifyElsewhere(signed, "P-384")).toBe("verified");
  });

  test("sign documents without a context, too, to which they give one", async () => {
    const { text } = await signElsewhere({ id: "urn:example:1", title: "Plain" }, "Ed25519");
    await verifyProof(parseObject(text), { resolver, clock: systemClock });
  });

  test("load our key files, and we load theirs", async () => {
    for (const algorithm of ["Ed25519", "P-256"] as const) {
      const { multikey } = suites[algorithm];
      const ours = generateSigningKey({ algorithm });
      const imported = await multikey.from(ours);
      const exported = await imported.export({ publicKey: true, secretKey: true, includeContext: true });
      expect(exported).toEqual(ours);
      expect(loadSigningKey(exported)).toMatchObject({ id: ours.id, algorithm });
    }
  });

  test("accept a context that was appended after signing, where we do not", async () => {
    const key = loadSigningKey(generateSigningKey());
    const document = { ...agent, "@context": [plainContext] };
    const signed = signDocument(document, key, { created: new Date("2026-01-01T00:00:00Z") });
    const context = [plainContext, { title: "https://evil.example/title" }];
    const appended = { ...signed, "@context": context };
    expect(await verifyElsewhere(appended, "Ed25519")).toBe("verified");
    await expect(verifyProof(appended, { resolver, clock: systemClock })).rejects.toMatchObject({
      validationErrors: [{ field: "/proof/@context" }],
    });
  });
});
