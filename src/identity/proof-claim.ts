import { canonicalize } from "../base/canonical.ts";
import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { cryptosuites } from "./cryptosuite.ts";
import { splitMethodId } from "./did.ts";
import { instantOf, normaliseInstant } from "./instant.ts";
import { decodeMultibase, EncodingError } from "./multikey.ts";

/** What a proof says whose form is right. */
export interface Claim {
  document: JsonObject;
  proof: JsonObject;
  controller: Did;
  verificationMethod: string;
  cryptosuite: string;
  /** UTC in fixed width, which sorts as text; so is `expires`. */
  created: string;
  expires: string | null;
  signature: Uint8Array;
}

/**
 * The proof of `document`, with everything checked that needs neither key nor clock. Throws `invalid-proof` with
 * `validationErrors` that point at the field.
 */
export function readClaim(document: JsonObject): Claim {
  const proof = document["proof"];
  if (proof === undefined) throw proofFault("", "is missing. Sign the document with a DID key");
  if (Array.isArray(proof)) {
    // Each proof of a set covers the document without all others, so that anybody can add one or take one away.
    throw proofFault("", `must be one object, not an array of ${proof.length}: it must be certain which proof counts`);
  }
  if (!isJsonObject(proof)) throw proofFault("", "must be an object");
  if (proof["type"] !== "DataIntegrityProof") {
    throw proofFault("type", `is ${shown(proof["type"])}; expected is "DataIntegrityProof"`);
  }
  const cryptosuite = proof["cryptosuite"];
  if (typeof cryptosuite !== "string" || !cryptosuites.has(cryptosuite)) {
    const names = [...cryptosuites.keys()].join(" and ");
    throw proofFault("cryptosuite", `is ${shown(cryptosuite)}; accepted are ${names}`);
  }
  if (proof["proofPurpose"] !== "assertionMethod") {
    throw proofFault("proofPurpose", `is ${shown(proof["proofPurpose"])}; expected is "assertionMethod"`);
  }
  if (proof["previousProof"] !== undefined) {
    throw proofFault("previousProof", "names another proof, and only one is accepted");
  }
  const created = readInstant(proof, "created");
  if (created === null) throw proofFault("created", "is missing. Expected is the time of signing");
  const expires = readInstant(proof, "expires");
  checkContext(document, proof);

  const verificationMethod = proof["verificationMethod"];
  const method = typeof verificationMethod === "string" ? splitMethodId(verificationMethod) : null;
  if (typeof verificationMethod !== "string" || method === null) {
    throw proofFault(
      "verificationMethod",
      `is ${shown(verificationMethod)}; expected is a DID with the fragment of one of its keys, such as did:web:example.org#key-1`,
    );
  }
  const signature = readSignature(proof["proofValue"]);
  return { document, proof, controller: method.did, verificationMethod, cryptosuite, created, expires, signature };
}

/**
 * Throws `invalid-proof` if the claim was created more than `limits.clockSkewMsMax` after `now`, or has expired by
 * then.
 */
export function checkPeriod(claim: Claim, now: Date): void {
  if (claim.created > instantOf(new Date(now.getTime() + limits.clockSkewMsMax))) {
    const seconds = limits.clockSkewMsMax / 1000;
    throw proofFault("created", `is more than ${seconds} seconds ahead of this registry's clock, ${now.toISOString()}`);
  }
  if (hasExpired(claim, now)) {
    throw proofFault("expires", `has passed: it is ${now.toISOString()}. Sign the document again`);
  }
}

/** Whether the time has come from which on the controller does not want the claim to count. */
export function hasExpired({ expires }: Claim, now: Date): boolean {
  return expires !== null && expires <= instantOf(now);
}

/** @param name a member of the proof, or empty for the proof itself. */
export function proofFault(name: string, description: string): Problem {
  const subject = name === "" ? "The proof" : `The proof's "${name}"`;
  return new Problem("invalid-proof", `${subject} ${description}.`, {
    validationErrors: [{ field: name === "" ? "/proof" : `/proof/${name}`, description: `${description}.` }],
  });
}

function readInstant(proof: JsonObject, name: "created" | "expires"): string | null {
  const value = proof[name];
  if (value === undefined) return null;
  const instant = typeof value === "string" ? normaliseInstant(value) : null;
  if (instant === null) {
    throw proofFault(
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
    throw proofFault("@context", 'differs from the document\'s "@context". Sign the document again, as it is');
  }
}

function readSignature(value: JsonValue | undefined): Uint8Array {
  if (typeof value !== "string") throw proofFault("proofValue", "is missing, or not a string");
  try {
    return decodeMultibase(value);
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    throw proofFault("proofValue", error.message);
  }
}

function shown(value: JsonValue | undefined): string {
  if (value === undefined) return "missing";
  const text = typeof value === "object" && value !== null ? "an object or array" : JSON.stringify(value);
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
