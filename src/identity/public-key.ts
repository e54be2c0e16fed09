import { createPublicKey, ECDH, type KeyObject } from "node:crypto";
import type { JsonObject } from "../base/json.ts";
import type { VerificationMethod } from "./did-document.ts";
import { type Algorithm, decodeBase58, decodePublicKey, EncodingError } from "./multikey.ts";

/** A public key that signatures can be checked with. */
export interface VerificationKey {
  algorithm: Algorithm;
  key: KeyObject;
}

const curves = {
  "P-256": { openssl: "prime256v1", coordinateBytes: 32 },
  "P-384": { openssl: "secp384r1", coordinateBytes: 48 },
} as const;

/**
 * The y coordinates (little-endian hex, sign bit cleared) of the eight Ed25519 points of small order. Some signatures
 * by such a "key" hold for any document, so that nobody in particular would have signed.
 */
const smallOrderPoints: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/**
 * The key of a verification method, in one of the forms `Multikey` (`publicKeyMultibase`), `JsonWebKey2020` and
 * `JsonWebKey` (`publicKeyJwk`), `Ed25519VerificationKey2020` (`publicKeyMultibase`) and `Ed25519VerificationKey2018`
 * (`publicKeyBase58`). Throws EncodingError whose message continues "The key …".
 */
export function importVerificationKey(method: VerificationMethod): VerificationKey {
  switch (method.type) {
    case "Multikey":
      return importMultikey(required(method.publicKeyMultibase, "publicKeyMultibase"));
    case "Ed25519VerificationKey2020": {
      const key = importMultikey(required(method.publicKeyMultibase, "publicKeyMultibase"));
      if (key.algorithm !== "Ed25519") throw malformed(`is ${key.algorithm}, though its type is ${method.type}`);
      return key;
    }
    case "Ed25519VerificationKey2018":
      return importEd25519(decodeBase58(required(method.publicKeyBase58, "publicKeyBase58")));
    case "JsonWebKey2020":
    case "JsonWebKey":
      return importJwk(required(method.publicKeyJwk, "publicKeyJwk"));
    default:
      throw new EncodingError(
        "unsupported",
        `is in the form ${JSON.stringify(method.type.slice(0, 100))}; supported are Multikey, JsonWebKey, JsonWebKey2020, Ed25519VerificationKey2020 and Ed25519VerificationKey2018`,
      );
  }
}

/** The key that a `publicKeyMultibase` holds. Throws EncodingError. */
export function importMultikey(publicKeyMultibase: string): VerificationKey {
  const { algorithm, bytes } = decodePublicKey(publicKeyMultibase);
  return algorithm === "Ed25519" ? importEd25519(bytes) : importPoint(algorithm, bytes);
}

function importEd25519(bytes: Uint8Array): VerificationKey {
  if (bytes.length !== 32) throw malformed(`has ${bytes.length} bytes, where Ed25519 has 32`);
  const y = Buffer.from(bytes);
  y[31] = (y[31] ?? 0) & 0x7f;
  const isReduced = y[31] !== 0x7f || (y[0] ?? 0) < 0xed || y.subarray(1, 31).some((byte) => byte !== 0xff);
  if (!isReduced || smallOrderPoints.has(y.toString("hex"))) throw malformed("is not a point that Ed25519 may use");
  return { algorithm: "Ed25519", key: keyOfJwk({ kty: "OKP", crv: "Ed25519", x: base64url(bytes) }) };
}

function importPoint(algorithm: "P-256" | "P-384", compressed: Uint8Array): VerificationKey {
  if (compressed[0] !== 2 && compressed[0] !== 3) throw malformed("is not a compressed point");
  const { openssl, coordinateBytes } = curves[algorithm];
  let point: Buffer;
  try {
    point = ECDH.convertKey(compressed, openssl, undefined, undefined, "uncompressed") as Buffer;
  } catch {
    throw malformed(`is not a point on ${algorithm}`);
  }
  const x = base64url(point.subarray(1, 1 + coordinateBytes));
  const y = base64url(point.subarray(1 + coordinateBytes));
  return { algorithm, key: keyOfJwk({ kty: "EC", crv: algorithm, x, y }) };
}

function importJwk(jwk: JsonObject): VerificationKey {
  if (jwk["use"] !== undefined && jwk["use"] !== "sig") throw malformed('has a "use" other than "sig"');
  const { kty, crv } = jwk;
  if (kty === "OKP" && crv === "Ed25519") return importEd25519(coordinateOf(jwk, "x", 32));
  if (kty === "EC" && (crv === "P-256" || crv === "P-384")) {
    const { coordinateBytes } = curves[crv];
    const x = base64url(coordinateOf(jwk, "x", coordinateBytes));
    const y = base64url(coordinateOf(jwk, "y", coordinateBytes));
    return { algorithm: crv, key: keyOfJwk({ kty, crv, x, y }) };
  }
  throw new EncodingError(
    "unsupported",
    `has kty ${shown(kty)} and crv ${shown(crv)}; supported are OKP with Ed25519, and EC with P-256 or P-384`,
  );
}

function coordinateOf(jwk: JsonObject, name: "x" | "y", length: number): Uint8Array {
  const text = jwk[name];
  const bytes = Buffer.from(typeof text === "string" ? text : "", "base64url");
  if (bytes.length !== length || bytes.toString("base64url") !== text) {
    throw malformed(`needs "${name}" with ${length} bytes in base64url without padding`);
  }
  return bytes;
}

function keyOfJwk(jwk: { kty: string; crv: string; x: string; y?: string }): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: "jwk" });
  } catch {
    throw malformed(`is not a point on ${jwk.crv}`);
  }
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw malformed(`has no "${name}" of the kind that its type asks for`);
  return value;
}

function malformed(message: string): EncodingError {
  return new EncodingError("malformed", message);
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "none").slice(0, 50);
}
