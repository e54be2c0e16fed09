import { createECDH, createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonValue } from "../base/json.ts";
import { Problem } from "../base/problem.ts";
import { splitMethodId } from "./did.ts";
import { didKeyOf } from "./did-key.ts";
import { didWebUrl } from "./did-web.ts";
import { type Algorithm, decodeSecretKey, EncodingError, encodePublicKey, encodeSecretKey } from "./multikey.ts";
import { importMultikey } from "./public-key.ts";

/** A key that signs. */
export interface SigningKey {
  /** The verification method's DID URL. */
  id: string;
  controller: Did;
  algorithm: Algorithm;
  privateKey: KeyObject;
  publicKeyMultibase: string;
}

/** A signing key as a file: a Multikey with its secret (Controlled Identifiers 1.0 §2.2.2). Keep it secret. */
export interface KeyFile {
  "@context"?: string;
  id: string;
  controller: string;
  type: "Multikey";
  publicKeyMultibase: string;
  secretKeyMultibase: string;
}

const multikeyContext = "https://w3id.org/security/multikey/v1";
const curves = { "P-256": "prime256v1", "P-384": "secp384r1" } as const;

/** A PKCS #8 private key of Ed25519, up to its seed (RFC 8410 §7). */
const ed25519Pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * A new key. Its controller is the did:key of the key itself, or with `web` the did:web of `DOMAIN[:PATH]`, such as
 * `example.org:agents:weather` or `example.org%3A8443`; segments of the path may be set apart by slashes as well.
 *
 * Throws `invalid-parameter` if `web` names no did:web.
 */
export function generateSigningKey(options: { algorithm?: "Ed25519" | "P-256"; web?: string } = {}): KeyFile {
  const { publicKeyMultibase, secretKeyMultibase } = generatePair(options.algorithm ?? "Ed25519");
  const controller = options.web === undefined ? didKeyOf(publicKeyMultibase) : didOfWeb(options.web);
  return {
    "@context": multikeyContext,
    id: `${controller}#${publicKeyMultibase}`,
    controller,
    type: "Multikey",
    publicKeyMultibase,
    secretKeyMultibase,
  };
}

/** The key in a key file, parsed from JSON. Throws `invalid-parameter` that names the member which is wrong. */
export function loadSigningKey(keyFile: unknown): SigningKey {
  if (!isJsonObject(keyFile as JsonValue)) throw keyFault("is not a JSON object");
  const { id, controller, type, publicKeyMultibase, secretKeyMultibase } = keyFile as Record<string, unknown>;
  if (type !== "Multikey") throw keyFault('needs "type": "Multikey"');
  if (typeof secretKeyMultibase !== "string") throw keyFault('needs the text "secretKeyMultibase", the private key');
  if (typeof publicKeyMultibase !== "string") throw keyFault('needs the text "publicKeyMultibase"');
  const method = typeof id === "string" ? splitMethodId(id) : null;
  if (method === null) throw keyFault('needs an "id" such as did:web:example.org#key-1');
  if (controller !== method.did) throw keyFault(`needs the "controller" ${method.did}, which is the DID in its "id"`);

  const { algorithm, privateKey, publicKey } = importSecret(secretKeyMultibase);
  if (publicKey !== publicKeyMultibase) throw keyFault('has a "publicKeyMultibase" of another key than its secret key');
  if (method.did.startsWith("did:key:") && id !== `${didKeyOf(publicKey)}#${publicKey}`) {
    throw keyFault(`needs the "id" ${didKeyOf(publicKey)}#${publicKey}, which follows from its key`);
  }
  return { id: `${method.did}#${method.fragment}`, controller: method.did, algorithm, privateKey, publicKeyMultibase };
}

function importSecret(secretKeyMultibase: string): { algorithm: Algorithm; privateKey: KeyObject; publicKey: string } {
  try {
    const { algorithm, bytes } = decodeSecretKey(secretKeyMultibase);
    const publicBytes = publicBytesOf(algorithm, bytes);
    const privateKey = privateKeyOf(algorithm, bytes);
    const publicKey = encodePublicKey(algorithm, publicBytes);
    importMultikey(publicKey);
    return { algorithm, privateKey, publicKey };
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    // The message must not hold the key.
    throw keyFault(`has a "secretKeyMultibase" that ${error.message}`);
  }
}

function generatePair(algorithm: "Ed25519" | "P-256"): Pick<KeyFile, "publicKeyMultibase" | "secretKeyMultibase"> {
  const { privateKey } =
    algorithm === "Ed25519"
      ? generateKeyPairSync("ed25519")
      : generateKeyPairSync("ec", { namedCurve: curves[algorithm] });
  const secret = Buffer.from(privateKey.export({ format: "jwk" }).d ?? "", "base64url");
  return {
    publicKeyMultibase: encodePublicKey(algorithm, publicBytesOf(algorithm, secret)),
    secretKeyMultibase: encodeSecretKey(algorithm, secret),
  };
}

function publicBytesOf(algorithm: Algorithm, secret: Uint8Array): Uint8Array {
  if (algorithm === "Ed25519") {
    const jwk = privateKeyOf(algorithm, secret).export({ format: "jwk" });
    return Buffer.from(jwk.x ?? "", "base64url");
  }
  return ecdhOf(algorithm, secret).getPublicKey(null, "compressed");
}

function privateKeyOf(algorithm: Algorithm, secret: Uint8Array): KeyObject {
  if (algorithm === "Ed25519") {
    const key = Buffer.concat([ed25519Pkcs8Prefix, secret]);
    return createPrivateKey({ key, format: "der", type: "pkcs8" });
  }
  const point = ecdhOf(algorithm, secret).getPublicKey();
  const half = (point.length - 1) / 2;
  const jwk = {
    kty: "EC",
    crv: algorithm,
    x: point.subarray(1, 1 + half).toString("base64url"),
    y: point.subarray(1 + half).toString("base64url"),
    d: Buffer.from(secret).toString("base64url"),
  };
  return createPrivateKey({ key: jwk, format: "jwk" });
}

function ecdhOf(algorithm: "P-256" | "P-384", secret: Uint8Array): ReturnType<typeof createECDH> {
  const ecdh = createECDH(curves[algorithm]);
  try {
    ecdh.setPrivateKey(secret);
  } catch {
    throw new EncodingError("malformed", `is out of range for ${algorithm}`);
  }
  return ecdh;
}

function didOfWeb(web: string): Did {
  // A path of digits right after the name would be a port to most readers.
  const port = /^([^:/]+):(\d+)(?=$|[:/])/.exec(web);
  if (port !== null) {
    throw webFault(
      web,
      `write a port as ${port[1]}%3A${port[2]}, and a path that is a number as ${port[1]}/${port[2]}`,
    );
  }
  const did = `did:web:${web.replaceAll("/", ":")}` as Did;
  try {
    didWebUrl(did, true);
  } catch (error) {
    if (error instanceof Problem) throw webFault(web, error.message, error);
    throw error;
  }
  if (splitMethodId(`${did}#key`) === null) throw webFault(web, `${did} is not a DID`);
  return did;
}

function webFault(web: string, reason: string, cause?: unknown): Problem {
  const expected = "Expected is DOMAIN[:PATH], such as example.org or example.org:agents:weather";
  return new Problem("invalid-parameter", `"${web}" names no did:web: ${reason.replace(/\.$/, "")}. ${expected}.`, {
    cause,
  });
}

function keyFault(description: string): Problem {
  return new Problem(
    "invalid-parameter",
    `The key file ${description}. \`thingstead keygen --out FILE\` makes a new one.`,
  );
}
