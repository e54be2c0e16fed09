import { canonicalize } from "../base/canonical.ts";
import type { Clock } from "../base/clock.ts";
import { type Did, type Digest, digestOf } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { cryptosuites, hashDataOf, signatureBytes, verifyHashData } from "./cryptosuite.ts";
import { splitMethodId } from "./did.ts";
import { assertionMethodOf, type VerificationMethod } from "./did-document.ts";
import { dateOfInstant, instantOf, normaliseInstant } from "./instant.ts";
import { decodeMultibase, EncodingError } from "./multikey.ts";
import { importVerificationKey, type VerificationKey } from "./public-key.ts";
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

/** A proof whose form is right. */
interface Claim {
  document: JsonObject;
  proof: JsonObject;
  controller: Did;
  verificationMethod: string;
  cryptosuite: string;
  created: string;
  expires: string | null;
  signature: Uint8Array;
}

/**
 * Checks the Data Integrity proof on `document` (VC Data Integrity §4.4, with the suites `eddsa-jcs-2022` and
 * `ecdsa-jcs-2019`): one `DataIntegrityProof` in `proof`, for the purpose `assertionMethod`, by a key that the
 * controller's DID document lists for it; `created` at most `limits.clockSkewMsMax` ahead of the clock, `expires`, if
 * there is one, not reached. `document` must come from `parseJson`: duplicate members must not have been dropped.
 *
 * Throws `invalid-proof` with `validationErrors` that point at the field, and what `DidResolver.resolve` throws.
 */
export async function verifyProof(
  document: JsonObject,
  deps: { resolver: DidResolver; clock: Clock },
): Promise<Verification> {
  const { resolver, clock } = deps;
  const now = clock.now();
  const claim = readClaim(document, now);

  let resolution = await resolver.resolve(claim.controller);
  let outcome = checkSignature(claim, resolution, now);
  // The key may be newer than our copy of the DID document. Young copies are not fetched again, so that a stranger's
  // bad proofs cannot be turned into requests to the controller's host.
  if (outcome instanceof Problem && now.getTime() - resolution.retrievedAt.getTime() >= limits.didRefreshMsMin) {
    resolution = await resolver.resolve(claim.controller, { fresh: true });
    outcome = checkSignature(claim, resolution, now);
  }
  if (outcome instanceof Problem) throw outcome;

  const { controller, verificationMethod, cryptosuite, created, expires } = claim;
  return {
    controller,
    verificationMethod,
    cryptosuite,
    created,
    expires: expires === null ? null : dateOfInstant(expires),
    verifiedAt: clock.now(),
    signedDigest: outcome,
  };
}

/** The proof, with everything checked that needs no key. */
function readClaim(document: JsonObject, now: Date): Claim {
  const proof = document["proof"];
  if (proof === undefined) throw fault("", "is missing. Sign the document with a DID key");
  if (Array.isArray(proof)) {
    // Each proof of a set covers the document without all others, so that anybody can add one or take one away.
    throw fault("", `must be one object, not an array of ${proof.length}: it must be certain which proof counts`);
  }
  if (!isJsonObject(proof)) throw fault("", "must be an object");
  if (proof["type"] !== "DataIntegrityProof") {
    throw fault("type", `is ${shown(proof["type"])}; expected is "DataIntegrityProof"`);
  }
  const cryptosuite = proof["cryptosuite"];
  if (typeof cryptosuite !== "string" || !cryptosuites.has(cryptosuite)) {
    const names = [...cryptosuites.keys()].join(" and ");
    throw fault("cryptosuite", `is ${shown(cryptosuite)}; accepted are ${names}`);
  }
  if (proof["proofPurpose"] !== "assertionMethod") {
    throw fault("proofPurpose", `is ${shown(proof["proofPurpose"])}; expected is "assertionMethod"`);
  }
  if (proof["previousProof"] !== undefined) {
    throw fault("previousProof", "names another proof, and only one is accepted");
  }
  const { created, expires } = readPeriod(proof, now);
  checkContext(document, proof);

  const verificationMethod = proof["verificationMethod"];
  const method = typeof verificationMethod === "string" ? splitMethodId(verificationMethod) : null;
  if (typeof verificationMethod !== "string" || method === null) {
    throw fault(
      "verificationMethod",
      `is ${shown(verificationMethod)}; expected is a DID with the fragment of one of its keys, such as did:web:example.org#key-1`,
    );
  }
  const signature = readSignature(proof["proofValue"]);
  return { document, proof, controller: method.did, verificationMethod, cryptosuite, created, expires, signature };
}

function readPeriod(proof: JsonObject, now: Date): { created: string; expires: string | null } {
  const created = readInstant(proof, "created");
  if (created === null) throw fault("created", "is missing. Expected is the time of signing");
  if (created > instantOf(new Date(now.getTime() + limits.clockSkewMsMax))) {
    const seconds = limits.clockSkewMsMax / 1000;
    throw fault("created", `is more than ${seconds} seconds ahead of this registry's clock, ${now.toISOString()}`);
  }
  const expires = readInstant(proof, "expires");
  if (expires !== null && expires <= instantOf(now)) {
    throw fault("expires", `has passed: it is ${now.toISOString()}. Sign the document again`);
  }
  return { created, expires };
}

function readInstant(proof: JsonObject, name: "created" | "expires"): string | null {
  const value = proof[name];
  if (value === undefined) return null;
  const instant = typeof value === "string" ? normaliseInstant(value) : null;
  if (instant === null) {
    throw fault(
      name,
      `is ${shown(value)}; expected is a date-time with an offset and at most 9 fraction digits, such as "2026-11-21T09:00:00Z"`,
    );
  }
  return instant;
}

/**
 * A context in the proof must be the document's. The specification lets the document have more contexts than the proof
 * names, and takes the rest away before it verifies (VC Data Integrity EdDSA Cryptosuites §3.3.2). That is refused
 * here: anybody could append a context, and so change what the document means, without breaking its proof.
 */
function checkContext(document: JsonObject, proof: JsonObject): void {
  const ofProof = proof["@context"];
  if (ofProof === undefined) return;
  const ofDocument = document["@context"];
  if (ofDocument === undefined || canonicalize([ofProof]) !== canonicalize([ofDocument])) {
    throw fault("@context", 'differs from the document\'s "@context". Sign the document again, as it is');
  }
}

function readSignature(value: JsonValue | undefined): Uint8Array {
  if (typeof value !== "string") throw fault("proofValue", "is missing, or not a string");
  try {
    return decodeMultibase(value);
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    throw fault("proofValue", error.message);
  }
}

/** The digest of what was signed, if the signature is by a key that may sign for the controller; else what is wrong. */
function checkSignature(claim: Claim, resolution: DidResolution, now: Date): Digest | Problem {
  const method = assertionMethodOf(resolution.document, claim.verificationMethod);
  if (method === undefined) {
    return fault("verificationMethod", `is not among the keys in "assertionMethod" of ${claim.controller}`);
  }
  if (method.controller !== claim.controller) {
    return fault("verificationMethod", `is a key whose controller is not ${claim.controller}`);
  }
  for (const name of ["revoked", "expires"] as const) {
    if (hasPassed(method[name], now)) {
      return fault("verificationMethod", `is a key that must not be used any more, by its "${name}"`);
    }
  }
  const imported = importKey(method, resolution);
  if (imported instanceof EncodingError) return fault("verificationMethod", `leads to a key that ${imported.message}`);

  const { algorithm, key } = imported;
  if (cryptosuites.get(claim.cryptosuite)?.includes(algorithm) !== true) {
    return fault("cryptosuite", `is ${claim.cryptosuite}, which does not go with a key of the type ${algorithm}`);
  }
  if (claim.signature.length !== signatureBytes[algorithm]) {
    const expected = `${signatureBytes[algorithm]}, as with ${algorithm}`;
    return fault("proofValue", `has ${claim.signature.length} bytes; expected are ${expected}`);
  }
  const hashData = hashDataOf(claim.document, claim.proof, algorithm);
  if (!verifyHashData(hashData, algorithm, key, claim.signature)) {
    return fault(
      "proofValue",
      `is not a signature of this document by ${claim.verificationMethod}. The document or its proof was changed after signing, or another key signed it`,
    );
  }
  return digestOf(hashData);
}

function importKey(method: VerificationMethod, { keys }: DidResolution): VerificationKey | EncodingError {
  const known = keys?.get(method.id);
  if (known !== undefined) return known;
  try {
    const imported = importVerificationKey(method);
    keys?.set(method.id, imported);
    return imported;
  } catch (error) {
    if (error instanceof EncodingError) return error;
    throw error;
  }
}

/** Whether a key's `expires` or `revoked` says that it is over; what cannot be read counts as said. */
function hasPassed(value: JsonValue | undefined, now: Date): boolean {
  if (value === undefined) return false;
  const instant = typeof value === "string" ? normaliseInstant(value) : null;
  return instant === null || instant <= instantOf(now);
}

/** @param name a member of the proof, or empty for the proof itself. */
function fault(name: string, description: string): Problem {
  const subject = name === "" ? "The proof" : `The proof's "${name}"`;
  return new Problem("invalid-proof", `${subject} ${description}.`, {
    validationErrors: [{ field: name === "" ? "/proof" : `/proof/${name}`, description: `${description}.` }],
  });
}

function shown(value: JsonValue | undefined): string {
  if (value === undefined) return "missing";
  const text = typeof value === "object" && value !== null ? "an object or array" : JSON.stringify(value);
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
