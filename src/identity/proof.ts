import type { Clock } from "../base/clock.ts";
import { type Did, type Digest, digestOf } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import type { Problem } from "../base/problem.ts";
import { cryptosuites, hashDataOf, signatureBytes, verifyHashData } from "./cryptosuite.ts";
import { verificationMethodOf } from "./did-document.ts";
import { dateOfInstant } from "./instant.ts";
import { endedBy, importListedKey } from "./listed-key.ts";
import { EncodingError } from "./multikey.ts";
import { checkPeriod, type Claim, hasExpired, proofFault, readClaim } from "./proof-claim.ts";
import type { DidResolution, DidResolver } from "./resolver.ts";

export { normaliseInstant } from "./instant.ts";

/** What a proof that holds says. */
export interface Verification {
  /** The DID whose key signed. */
  controller: Did;
  /** The key, as a DID URL. */
  verificationMethod: string;
  cryptosuite: string;
  /** When the controller says it signed: UTC in fixed width, `2026-11-21T09:00:00.123456789Z`, which sorts as text. */
  created: string;
  /** Until when the controller wants the proof to count. */
  expires: Date | null;
  verifiedAt: Date;
  /**
   * The SHA-256 of what the signature covers: one for all spellings of a document (whitespace, member order, escapes)
   * and for all signatures of it. Unlike the digest of the bytes, nobody but the controller can make a second one for
   * the same `created`, so that equivocation shows in it.
   */
  signedDigest: Digest;
}

/** Whether the proof of a document that was accepted once still holds, and if not, why. */
export type ProofStanding =
  | { holds: true }
  | {
      holds: false;
      /**
       * `proof-expired`: its `expires` has passed. `key-absent`: the DID document does not list the key for assertions.
       * `key-revoked`: it does, with a `revoked` or `expires` that has passed. `key-changed`: it lists another key under
       * the same id, so that the signature does not check out.
       */
      reason: "proof-expired" | KeyReason;
      /** In words, for people. */
      detail: string;
    };

type KeyReason = "key-absent" | "key-revoked" | "key-changed";

/** What a claim comes to by a DID document. */
type Outcome = { holds: true; signedDigest: Digest } | { holds: false; reason: KeyReason; problem: Problem };

/**
 * Checks the Data Integrity proof on `document` (VC Data Integrity §4.4, with the suites `eddsa-jcs-2022` and
 * `ecdsa-jcs-2019`): one `DataIntegrityProof` in `proof`, for the purpose `assertionMethod`, by a key that the
 * controller's DID document lists for it; `created` at most `limits.clockSkewMsMax` ahead of the clock, `expires`, if
 * there is one, not reached. `document` must come from `parseJson`: duplicate members must not have been dropped.
 * With `ageMsMax` the DID document is at most that old, in milliseconds.
 *
 * Throws `invalid-proof` with `validationErrors` that point at the field, and what `DidResolver.resolve` throws.
 */
export async function verifyProof(
  document: JsonObject,
  deps: { resolver: DidResolver; clock: Clock; ageMsMax?: number },
): Promise<Verification> {
  const { resolver, clock, ageMsMax } = deps;
  const now = clock.now();
  const claim = readClaim(document);
  checkPeriod(claim, now);

  const resolution = await resolver.resolve(claim.controller, ageMsMax === undefined ? {} : { ageMsMax });
  let outcome = checkSignature(claim, resolution, now);
  if (!outcome.holds) {
    // The key may be newer than our copy of the DID document. Young copies are not fetched again, so that a stranger's
    // bad proofs cannot be turned into requests to the controller's host.
    const younger = await resolver.resolve(claim.controller, { ageMsMax: limits.didRefreshMsMin });
    if (younger !== resolution) outcome = checkSignature(claim, younger, now);
  }
  if (!outcome.holds) throw outcome.problem;

  const { controller, verificationMethod, cryptosuite, created, expires } = claim;
  return {
    controller,
    verificationMethod,
    cryptosuite,
    created,
    expires: expires === null ? null : dateOfInstant(expires),
    verifiedAt: clock.now(),
    signedDigest: outcome.signedDigest,
  };
}

/**
 * Whether the proof of `document`, which was accepted before, still holds by what its controller's DID document says
 * now. When it was created does not matter any more. Pure: `resolution` is that of the proof's controller.
 *
 * Throws `invalid-proof` for a document that could not have been accepted.
 */
export function reviewProof(document: JsonObject, resolution: DidResolution, now: Date): ProofStanding {
  const claim = readClaim(document);
  if (hasExpired(claim, now)) {
    return {
      holds: false,
      reason: "proof-expired",
      detail: `The proof's "expires" has passed: it was ${claim.expires}.`,
    };
  }
  const outcome = checkSignature(claim, resolution, now);
  return outcome.holds ? { holds: true } : { holds: false, reason: outcome.reason, detail: outcome.problem.message };
}

/** Whether the signature is by a key that may sign for the controller: the one check that all proofs go through. */
function checkSignature(claim: Claim, resolution: DidResolution, now: Date): Outcome {
  const method = verificationMethodOf(resolution.document, "assertionMethod", claim.verificationMethod);
  if (method === undefined) {
    const description = `is not among the keys in "assertionMethod" of ${claim.controller}`;
    return fails("key-absent", "verificationMethod", description);
  }
  if (method.controller !== claim.controller) {
    return fails("key-changed", "verificationMethod", `is a key whose controller is not ${claim.controller}`);
  }
  const ended = endedBy(method, now);
  if (ended !== null) {
    return fails("key-revoked", "verificationMethod", `is a key that must not be used any more, by its "${ended}"`);
  }
  const imported = importListedKey(method, resolution);
  if (imported instanceof EncodingError) {
    return fails("key-changed", "verificationMethod", `leads to a key that ${imported.message}`);
  }
  const { algorithm, key } = imported;
  if (cryptosuites.get(claim.cryptosuite)?.includes(algorithm) !== true) {
    const description = `is ${claim.cryptosuite}, which does not go with a key of the type ${algorithm}`;
    return fails("key-changed", "cryptosuite", description);
  }
  if (claim.signature.length !== signatureBytes[algorithm]) {
    const expected = `${signatureBytes[algorithm]}, as with ${algorithm}`;
    return fails("key-changed", "proofValue", `has ${claim.signature.length} bytes; expected are ${expected}`);
  }
  const hashData = hashDataOf(claim.document, claim.proof, algorithm);
  if (!verifyHashData(hashData, algorithm, key, claim.signature)) {
    const description = `is not a signature of this document by ${claim.verificationMethod}. The document or its proof was changed after signing, or another key signed it`;
    return fails("key-changed", "proofValue", description);
  }
  return { holds: true, signedDigest: digestOf(hashData) };
}

/** @param field the proof's member that is to blame where the document was never accepted. */
function fails(reason: KeyReason, field: string, description: string): Outcome {
  return { holds: false, reason, problem: proofFault(field, description) };
}
