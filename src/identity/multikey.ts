import { base58 } from "@scure/base";
import { limits } from "../base/limits.ts";

/** The signature algorithms that are understood here. */
export type Algorithm = "Ed25519" | "P-256" | "P-384";

interface Codec {
  /** The multicodec's unsigned varint. */
  prefix: readonly [number, number];
  bytes: number;
}

/** Public keys; those on NIST curves are compressed points (Controlled Identifiers 1.0 §2.2.2). */
const publicCodecs: Record<Algorithm, Codec> = {
  Ed25519: { prefix: [0xed, 0x01], bytes: 32 },
  "P-256": { prefix: [0x80, 0x24], bytes: 33 },
  "P-384": { prefix: [0x81, 0x24], bytes: 49 },
};

/** Secret keys: the seed of Ed25519, the scalar of the others. */
const secretCodecs: Record<Algorithm, Codec> = {
  Ed25519: { prefix: [0x80, 0x26], bytes: 32 },
  "P-256": { prefix: [0x86, 0x26], bytes: 32 },
  "P-384": { prefix: [0x87, 0x26], bytes: 48 },
};

/** Multicodecs of keys that people do use, for a message that says which one was refused. */
const otherKeyNames: Record<string, string> = {
  e701: "secp256k1",
  ea01: "BLS12-381 (G1)",
  eb01: "BLS12-381 (G2)",
  ee01: "BLS12-381 (G1 and G2)",
  ec01: "X25519",
  "8224": "P-521",
  "8324": "Ed448",
  "8424": "X448",
  "8524": "RSA",
};

/**
 * Characters of a multibase text that are looked at, since base58 takes time that grows with the square of the length.
 * The longest that is used here has 132; the bound leaves room to tell an RSA key by its name.
 */
const multibaseCharactersMax = limits.didBytesMax;

/** A key or signature that is not written as it should be. `kind` tells what cannot be used from what is broken. */
export class EncodingError extends Error {
  readonly kind: "malformed" | "unsupported";

  /** @param message continues "The key …" or "The signature …". */
  constructor(kind: "malformed" | "unsupported", message: string) {
    super(message);
    this.name = "EncodingError";
    this.kind = kind;
  }
}

/** The bytes of a base58btc text (Bitcoin's alphabet). Throws EncodingError. */
export function decodeBase58(text: string): Uint8Array {
  if (text.length > multibaseCharactersMax) {
    throw new EncodingError("malformed", `has ${text.length} characters, more than any that is used here`);
  }
  try {
    return base58.decode(text);
  } catch {
    throw new EncodingError("malformed", "is not base58btc");
  }
}

/** The bytes of a multibase text in base58btc, the only base that Data Integrity asks for here. Throws EncodingError. */
export function decodeMultibase(text: string): Uint8Array {
  if (!text.startsWith("z")) {
    throw new EncodingError("malformed", 'is not multibase in base58btc, which starts with "z"');
  }
  return decodeBase58(text.slice(1));
}

/** `bytes` as multibase in base58btc. */
export function encodeMultibase(bytes: Uint8Array): string {
  return `z${base58.encode(bytes)}`;
}

/** The algorithm and raw bytes of a `publicKeyMultibase`. Throws EncodingError. */
export function decodePublicKey(text: string): { algorithm: Algorithm; bytes: Uint8Array } {
  return decodeKey(text, publicCodecs);
}

/** The algorithm and raw bytes of a `secretKeyMultibase`. Throws EncodingError. */
export function decodeSecretKey(text: string): { algorithm: Algorithm; bytes: Uint8Array } {
  try {
    return decodeKey(text, secretCodecs);
  } catch (error) {
    // What tells one public key from another would give bytes of a secret away.
    if (!(error instanceof EncodingError)) throw error;
    throw new EncodingError(
      error.kind,
      "is not a secret key of the type Ed25519, P-256 or P-384 in base58btc multibase",
    );
  }
}

/** `bytes` (a compressed point on NIST curves) as `publicKeyMultibase`. */
export function encodePublicKey(algorithm: Algorithm, bytes: Uint8Array): string {
  return encodeMultibase(Buffer.concat([Buffer.from(publicCodecs[algorithm].prefix), bytes]));
}

/** `bytes` (a seed or a scalar) as `secretKeyMultibase`. */
export function encodeSecretKey(algorithm: Algorithm, bytes: Uint8Array): string {
  return encodeMultibase(Buffer.concat([Buffer.from(secretCodecs[algorithm].prefix), bytes]));
}

const algorithms: readonly Algorithm[] = ["Ed25519", "P-256", "P-384"];

function decodeKey(text: string, codecs: Record<Algorithm, Codec>): { algorithm: Algorithm; bytes: Uint8Array } {
  const decoded = decodeMultibase(text);
  for (const algorithm of algorithms) {
    const { prefix, bytes } = codecs[algorithm];
    if (decoded[0] !== prefix[0] || decoded[1] !== prefix[1]) continue;
    if (decoded.length !== bytes + 2) {
      throw new EncodingError("malformed", `has ${decoded.length - 2} bytes, where ${algorithm} has ${bytes}`);
    }
    return { algorithm, bytes: decoded.subarray(2) };
  }
  if (decoded.length < 2) throw new EncodingError("malformed", "is too short to be a key");
  const code = Buffer.from(decoded.subarray(0, 2)).toString("hex");
  const name = otherKeyNames[code] ?? `multicodec 0x${code}`;
  throw new EncodingError("unsupported", `is of the type ${name}; supported are Ed25519, P-256 and P-384`);
}
