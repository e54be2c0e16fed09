import type { JsonObject, JsonValue } from "../base/json.ts";
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
  const proof: JsonObject = {
    type: "DataIntegrityProof",
    cryptosuite: cryptosuiteFor(key.algorithm),
    created: created.toISOString(),
    ...(expires === undefined ? {} : { expires: expires.toISOString() }),
    verificationMethod: key.id,
    proofPurpose: "assertionMethod",
    ...contextOf(document),
  };
  const signature = signHashData(hashDataOf(document, proof, key.algorithm), key.algorithm, key.privateKey);
  return { ...document, proof: { ...proof, proofValue: encodeMultibase(signature) } };
}

/**
 * The document's context, which createProof of both suites copies into the proof (§3.3.1), but for one that holds
 * objects: there the Digital Bazaar libraries compare context by context with `!==` when they verify, and refuse every
 * document that went over a wire. Verifiers look at a proof's context only if there is one, and the document's own is
 * signed in any case.
 */
function contextOf(document: JsonObject): JsonObject {
  const context = document["@context"];
  return context !== undefined && [context].flat().every(isText) ? { "@context": context } : {};
}

function isText(value: JsonValue): boolean {
  return typeof value === "string";
}
