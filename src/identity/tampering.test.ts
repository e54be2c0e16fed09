import { describe, expect, test } from "vitest";
import { agent, agentKey, signedAgentText, tamperingCases } from "../../test/fixtures/tampering.ts";
import { refusingEgress } from "../../test/support/egress.ts";
import { systemClock } from "../base/clock.ts";
import { isJsonObject, parseJson } from "../base/json.ts";
import { Problem } from "../base/problem.ts";
import { loadSigningKey } from "./keys.ts";
import { type Verification, verifyProof } from "./proof.ts";
import { createDidResolver } from "./resolver.ts";
import { signDocument } from "./sign.ts";

const resolver = createDidResolver({ egress: refusingEgress, clock: systemClock });

/** What the registry does with a body, as far as parsing and the proof go. */
async function verifyText(text: string): Promise<Verification> {
  const { value } = parseJson(Buffer.from(text));
  if (!isJsonObject(value)) throw new Problem("invalid-proof", "The document is not an object.");
  return verifyProof(value, { resolver, clock: systemClock });
}

const refusals: readonly string[] = ["invalid-proof", "invalid-json", "did-not-found", "unsupported-did-method"];

describe("a signed description that somebody changed", () => {
  const signedText = signedAgentText();
  const cases = tamperingCases();

  test("there is a case for every leaf, member, object and array, and names tell them apart", () => {
    expect(cases.length).toBeGreaterThan(700);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  test.each(cases.filter(({ accepted }) => !accepted))("is refused: $name", async ({ apply }) => {
    const text = apply(signedText);
    expect(text).not.toBe(signedText);
    const error = await verifyText(text).then(
      () => "it was accepted",
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(Problem);
    expect(refusals).toContain((error as Problem).type);
    expect((error as Problem).status).toBe(400);
  });

  test.each(cases.filter(({ accepted }) => accepted))("is accepted: $name", async ({ name, apply }) => {
    const text = apply(signedText);
    if (name !== "nothing changed") expect(text).not.toBe(signedText);
    const original = await verifyText(signedText);
    const verification = await verifyText(text);
    expect(verification).toMatchObject({
      controller: agentKey.controller,
      verificationMethod: agentKey.id,
      cryptosuite: "eddsa-jcs-2022",
      created: "2025-01-01T09:00:00.250000000Z",
      expires: new Date("2999-01-01T00:00:00Z"),
      signedDigest: original.signedDigest,
    });
  });

  test("our own signature over the same description is refused in the same cases of its content", async () => {
    const key = loadSigningKey(agentKey);
    const signed = signDocument(agent, key, { created: new Date("2025-01-01T09:00:00Z") });
    await verifyText(JSON.stringify(signed));
    for (const name of Object.keys(agent)) {
      await expect(verifyText(JSON.stringify({ ...signed, [name]: "changed" }))).rejects.toMatchObject({
        type: "invalid-proof",
      });
    }
  });
});
