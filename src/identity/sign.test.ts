import { describe, expect, test } from "vitest";
import { agent, agentKey } from "../../test/fixtures/tampering.ts";
import { refusingEgress } from "../../test/support/egress.ts";
import { generateSigningKey, loadSigningKey } from "./keys.ts";
import { verifyProof } from "./proof.ts";
import { createDidResolver } from "./resolver.ts";
import { signDocument } from "./sign.ts";

const created = new Date("2026-11-21T09:00:00.123Z");
const clock = { now: (): Date => created };
const resolver = createDidResolver({ egress: refusingEgress, clock });

describe("signDocument", () => {
  test("adds a proof as the last member and leaves the document alone", async () => {
    const document = structuredClone(agent);
    const expires = new Date("2027-01-01T00:00:00Z");
    const signed = signDocument(document, loadSigningKey(agentKey), { created, expires });
    expect(document).toEqual(agent);
    const { proof, ...rest } = signed;
    expect(rest).toEqual(agent);
    expect(Object.keys(signed).at(-1)).toBe("proof");
    expect(proof).toEqual({
      type: "DataIntegrityProof",
      cryptosuite: "eddsa-jcs-2022",
      created: "2026-11-21T09:00:00.123Z",
      expires: "2027-01-01T00:00:00.000Z",
      verificationMethod: agentKey.id,
      proofPurpose: "assertionMethod",
      proofValue: expect.stringMatching(/^z[1-9A-HJ-NP-Za-km-z]{80,}$/),
    });
    expect(await verifyProof(signed, { resolver, clock })).toMatchObject({
      created: "2026-11-21T09:00:00.123000000Z",
      expires,
    });
  });

  test("Ed25519 signs alike each time; the suite follows the key", () => {
    const key = loadSigningKey(agentKey);
    expect(signDocument(agent, key, { created })).toEqual(signDocument(agent, key, { created }));
    const p256 = loadSigningKey(generateSigningKey({ algorithm: "P-256" }));
    expect(signDocument(agent, p256, { created })["proof"]).toMatchObject({ cryptosuite: "ecdsa-jcs-2019" });
  });

  test("a context of names goes into the proof, as the suites have it", () => {
    const context = ["https://www.w3.org/2022/wot/td/v1.1"];
    const signed = signDocument({ "@context": context, title: "Plain" }, loadSigningKey(agentKey), { created });
    expect(signed["proof"]).toMatchObject({ "@context": context });
    const bare = signDocument({ title: "Plain" }, loadSigningKey(agentKey), { created });
    expect(bare["proof"]).not.toHaveProperty("@context");
  });

  test("a document that has a proof is not signed over", () => {
    const key = loadSigningKey(agentKey);
    const signed = signDocument(agent, key, { created });
    expect(() => signDocument(signed, key, { created })).toThrow(/has a "proof" already/);
    expect(() => signDocument({ ...agent, proof: null }, key, { created })).toThrow(/has a "proof" already/);
  });

  test("a proof that would be over at once is not made", () => {
    expect(() => signDocument(agent, loadSigningKey(agentKey), { created, expires: created })).toThrow(/expire/);
  });
});
