import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { hashDataOf, verifyHashData } from "./cryptosuite.ts";
import { instantOf, normaliseInstant } from "./instant.ts";
import { decodeMultibase, EncodingError } from "./multikey.ts";
import { importMultikey } from "./public-key.ts";

/** The `publicKeyMultibase` of a verification method that is a did:key with its fragment; null for any other text. */
export function multikeyOfMethod(verificationMethod: JsonValue | undefined): string | null {
  if (typeof verificationMethod !== "string") return null;
  const [did = "", fragment, ...rest] = verificationMethod.split("#");
  const multikey = did.startsWith("did:key:") ? did.slice("did:key:".length) : "";
  // The fragment repeats the key; if it did not, two keys would be named.
  return multikey !== "" && multikey === fragment && rest.length === 0 ? multikey : null;
}

/**
 * What is wrong with `proof`, a Data Integrity proof of `document` that a did:webvh has in its log or witness file:
 * `eddsa-jcs-2022` for the purpose `assertionMethod` by one of `multikeys` as a did:key (did:webvh §"Authorized Keys",
 * §"The Witness Proofs File"). Undefined if it holds. The text continues "the proof …".
 */
export function logProofFault(
  document: JsonObject,
  proof: JsonValue,
  multikeys: ReadonlySet<string>,
  now: Date,
): string | undefined {
  if (!isJsonObject(proof)) return "is not an object";
  if (proof["type"] !== "DataIntegrityProof") return 'is not of the type "DataIntegrityProof"';
  if (proof["cryptosuite"] !== "eddsa-jcs-2022") return 'does not have the cryptosuite "eddsa-jcs-2022"';
  if (proof["proofPurpose"] !== "assertionMethod") return 'does not have the purpose "assertionMethod"';
  // Neither a log entry nor what witnesses sign has a context that it could repeat.
  if (proof["@context"] !== undefined) return 'has an "@context", which what it signs has not';
  const { expires } = proof;
  if (expires !== undefined) {
    const instant = typeof expires === "string" ? normaliseInstant(expires) : null;
    if (instant === null || instant <= instantOf(now)) return "has expired";
  }
  const multikey = multikeyOfMethod(proof["verificationMethod"]);
  if (multikey === null) return "has a verificationMethod that is not did:key:KEY#KEY";
  if (!multikeys.has(multikey)) return `is by the key ${multikey.slice(0, 100)}, which may not sign here`;
  return signatureFault(document, proof, multikey);
}

function signatureFault(document: JsonObject, proof: JsonObject, multikey: string): string | undefined {
  try {
    const { algorithm, key } = importMultikey(multikey);
    if (algorithm !== "Ed25519") return `is by a key of the type ${algorithm}, where eddsa-jcs-2022 has Ed25519`;
    const { proofValue } = proof;
    const signature = decodeMultibase(typeof proofValue === "string" ? proofValue : "");
    const holds = verifyHashData(hashDataOf(document, proof, algorithm), algorithm, key, signature);
    return holds ? undefined : "is not a signature of it";
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    return `cannot be read: its key or value ${error.message}`;
  }
}
