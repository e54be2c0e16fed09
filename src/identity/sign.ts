import type { JsonObject } from "../base/json.ts";
import { Problem } from "../base/problem.ts";
import { cryptosuiteFor, hashDataOf, signHashData } from "./cryptosuite.ts";
import type { SigningKey } from "./keys.ts";
import { encodeMultibase } from "./multikey.ts";

/**
 * `document` with a Data Integrity proof by `key` as its last member (VC Data Integrity §4.2; `eddsa-jcs-2022` or
 * `ecdsa-jcs-2019` by the kind of key). `created` orders the versions of a description.
 *
 * Throws `invalid-proof` if the document has a proof already, or if it would expire before it is created.
 */
export function signDocument(
  document: JsonObject,
  key: SigningKey,
  options: { created: Date; expires?: Date },
): JsonObject {
  const { created, expires } = options;
  if (document["proof"] !== undefined) {
    throw new Problem("invalid-proof", 'The document has a "proof" already. Remove it to sign the document anew.');
  }
  if (expires !== undefined && expires <= created) {
    throw new Problem("invalid-proof", `The proof would expire at ${expires.toISOString()}, before it is created.`);
  }
  const context = document["@context"];
  const proof: JsonObject = {
    type: "DataIntegrityProof",
    cryptosuite: cryptosuiteFor(key.algorithm),
    created: created.toISOString(),
    ...(expires === undefined ? {} : { expires: expires.toISOString() }),
    verificationMethod: key.id,
    proofPurpose: "assertionMethod",
    // As createProof of both suites has it (§3.3.1).
    ...(context === undefined ? {} : { "@context": context }),
  };
  const signature = signHashData(hashDataOf(document, proof, key.algorithm), key.algorithm, key.privateKey);
  return { ...document, proof: { ...proof, proofValue: encodeMultibase(signature) } };
}
