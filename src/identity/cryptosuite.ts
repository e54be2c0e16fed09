import { hash, type KeyObject, sign, verify } from "node:crypto";
import { canonicalize } from "../base/canonical.ts";
import type { JsonObject } from "../base/json.ts";
import type { Algorithm } from "./multikey.ts";

/** The cryptosuites that are accepted, and the keys each may be used with. */
export const cryptosuites: ReadonlyMap<string, readonly Algorithm[]> = new Map([
  ["eddsa-jcs-2022", ["Ed25519"]],
  ["ecdsa-jcs-2019", ["P-256", "P-384"]],
]);

/** The cryptosuite that signs with keys of `algorithm`. */
export function cryptosuiteFor(algorithm: Algorithm): string {
  return algorithm === "Ed25519" ? "eddsa-jcs-2022" : "ecdsa-jcs-2019";
}

/** Bytes of a signature; ECDSA's are in the IEEE P1363 form, r and s beside each other. */
export const signatureBytes: Readonly<Record<Algorithm, number>> = { Ed25519: 64, "P-256": 64, "P-384": 96 };

const hashNames: Readonly<Record<Algorithm, "sha256" | "sha384">> = {
  Ed25519: "sha256",
  "P-256": "sha256",
  "P-384": "sha384",
};

/**
 * What a signature covers: the hash of the canonical proof options, then the hash of the canonical document (VC Data
 * Integrity EdDSA Cryptosuites §3.3.4; ECDSA Cryptosuites §3.3.4). Every proof option is in it but `proofValue`.
 */
export function hashDataOf(document: JsonObject, proof: JsonObject, algorithm: Algorithm): Buffer {
  const { proof: _proof, ...unsecured } = document;
  const { proofValue: _proofValue, ...options } = proof;
  const name = hashNames[algorithm];
  return Buffer.concat([hash(name, canonicalize(options), "buffer"), hash(name, canonicalize(unsecured), "buffer")]);
}

/**
 * A signature over `hashData`. ECDSA's is randomised, where the suite asks for the deterministic variant: Node.js does
 * not offer it, and verifiers cannot tell.
 */
export function signHashData(hashData: Uint8Array, algorithm: Algorithm, key: KeyObject): Buffer {
  if (algorithm === "Ed25519") return sign(null, hashData, key);
  return sign(hashNames[algorithm], hashData, { key, dsaEncoding: "ieee-p1363" });
}

/** Whether `signature` over `hashData` is by the private part of `key`. */
export function verifyHashData(
  hashData: Uint8Array,
  algorithm: Algorithm,
  key: KeyObject,
  signature: Uint8Array,
): boolean {
  if (signature.length !== signatureBytes[algorithm]) return false;
  if (algorithm === "Ed25519") return verify(null, hashData, key, signature);
  return verify(hashNames[algorithm], hashData, { key, dsaEncoding: "ieee-p1363" }, signature);
}
