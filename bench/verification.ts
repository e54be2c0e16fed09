import { createHash, createPublicKey, verify } from "node:crypto";
import { base58 } from "@scure/base";
import canonicalize from "canonicalize";
import { systemClock } from "../src/base/clock.ts";
import { createEgress } from "../src/base/egress.ts";
import { type JsonObject, parseJson } from "../src/base/json.ts";
import { verifyProof } from "../src/identity/proof.ts";
import { createDidResolver } from "../src/identity/resolver.ts";
import { createSigner, syntheticTd } from "./corpus.ts";

/** What is measured, on parsed documents: how many a second, by one thread. */
export interface VerificationRates {
  [name: string]: number;
}

/** Milliseconds that one way runs before the next one has its turn; machines are busy now and then. */
const turnMs = 250;

/**
 * Proofs a second: `verifyProof` as admission calls it, against node:crypto alone, and against node:crypto with the
 * canonicalisation and hashes that no verifier can do without, over the same documents in turns.
 */
export async function measureVerification(seconds: number): Promise<VerificationRates> {
  const sign = createSigner();
  const documents = Array.from({ length: 200 }, (_, index) => {
    const { value } = parseJson(Buffer.from(sign(syntheticTd(index))));
    return value as JsonObject & { proof: JsonObject };
  });
  const [first] = documents;
  if (first === undefined) throw new Error("no documents");
  const multibase = String(first.proof["verificationMethod"]).split("#")[1] ?? "";
  const x = Buffer.from(base58.decode(multibase.slice(1)).subarray(2)).toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const sha256 = (text: string | undefined) =>
    createHash("sha256")
      .update(text ?? "")
      .digest();
  const hashData = ({ proof, ...document }: JsonObject & { proof: JsonObject }) => {
    const { proofValue: _, ...options } = proof;
    return Buffer.concat([sha256(canonicalize(options)), sha256(canonicalize(document))]);
  };
  const bare = documents.map((document) => ({
    data: hashData(document),
    signature: base58.decode(String(document.proof["proofValue"]).slice(1)),
  }));
  const egress = createEgress({ allowPrivateAddresses: false });
  const resolver = createDidResolver({ egress, clock: systemClock });

  const ways: Record<string, (index: number) => boolean | Promise<unknown>> = {
    "node:crypto alone": (index) => {
      const one = bare[index];
      return one !== undefined && verify(null, one.data, key, one.signature);
    },
    "with canonicalisation": (index) => {
      const document = documents[index];
      const signature = bare[index]?.signature;
      if (document === undefined || signature === undefined) return false;
      return verify(null, hashData(document), key, signature);
    },
    verifyProof: (index) => verifyProof(documents[index] ?? {}, { resolver, clock: systemClock }),
  };
  const done: VerificationRates = {};
  const spent: VerificationRates = {};
  for (let turn = 0; turn < (seconds * 1000) / turnMs; turn += 1) {
    for (const [name, run] of Object.entries(ways)) {
      const start = performance.now();
      let count = 0;
      for (; performance.now() - start < turnMs; count += 1) {
        if ((await run(count % documents.length)) === false) throw new Error(`${name}: a proof did not hold`);
      }
      // The first turn is warm-up.
      if (turn === 0) continue;
      done[name] = (done[name] ?? 0) + count;
      spent[name] = (spent[name] ?? 0) + performance.now() - start;
    }
  }
  await egress.close();
  return Object.fromEntries(
    Object.keys(ways).map((name) => [name, ((done[name] ?? 0) * 1000) / (spent[name] ?? Number.NaN)]),
  );
}
