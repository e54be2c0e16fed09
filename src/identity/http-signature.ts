import { createHash } from "node:crypto";
import {
  type Dictionary,
  type InnerList,
  isInnerList,
  parseDictionary,
  serializeDictionary,
  serializeInnerList,
  serializeItem,
} from "structured-headers";
import type { Clock } from "../base/clock.ts";
import type { Did } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { signatureBytes, signHashData, verifyHashData } from "./cryptosuite.ts";
import { splitMethodId } from "./did.ts";
import { verificationMethodOf } from "./did-document.ts";
import { endedBy, importListedKey } from "./listed-key.ts";
import type { SigningKey } from "./keys.ts";
import { type Algorithm, EncodingError } from "./multikey.ts";
import type { VerificationKey } from "./public-key.ts";
import type { DidResolution, DidResolver } from "./resolver.ts";

/*
 * HTTP Message Signatures (RFC 9421) on requests, with the digest of the body in `Content-Digest` (RFC 9530). A
 * signature shows that the controller of a DID sent this very request to this very registry, now, and once.
 */

/** A request as a signature covers it. */
export interface SignedRequest {
  method: string;
  /** The registry's public origin, then path and query as they were sent; never what the `Host` header says. */
  targetUri: string;
  /** Header fields; those that came several times are joined by a comma and a space (RFC 9421 §2.1). */
  headers: Pick<Headers, "get">;
  body: Uint8Array;
}

/** What a signature that holds says. */
export interface RequestSignature {
  /** The DID whose key signed. */
  controller: Did;
  /** The key, as a DID URL. */
  verificationMethod: string;
  /** Unique among the controller's requests, if `request-nonces.ts` says so too. */
  nonce: string;
  created: Date;
}

/** What a signature says whose form is right. */
interface Claim {
  covered: InnerList;
  controller: Did;
  keyid: string;
  alg: string | undefined;
  nonce: string;
  created: Date;
  signature: Uint8Array;
}

/** The algorithms that go with our keys, in the names of RFC 9421 §6.2.2. */
const algorithmNames: Readonly<Record<Algorithm, string>> = {
  Ed25519: "ed25519",
  "P-256": "ecdsa-p256-sha256",
  "P-384": "ecdsa-p384-sha384",
};

/** Digests of bodies, in the names of RFC 9530 §5, and in Node's. */
const digestNames: ReadonlyMap<string, "sha256" | "sha512"> = new Map([
  ["sha-256", "sha256"],
  ["sha-512", "sha512"],
]);

const fieldName = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;

/**
 * Checks the signature of a request: exactly one, in `Signature-Input` and `Signature`, that covers `@method`,
 * `@target-uri` and, of a body, `content-digest`; with `created` at most `limits.requestSignatureAgeMsMax` from the
 * clock, a `nonce`, and as `keyid` a key that the controller's DID document, at most `limits.didWriteAgeMsMax` old,
 * lists in `authentication`. `expires` and `alg` count where they are there.
 *
 * Throws `invalid-signature` that names the part which does not hold, and what `DidResolver.resolve` throws. Whether the
 * nonce was used before is for the caller to find out.
 */
export async function verifyRequest(
  request: SignedRequest,
  { resolver, clock }: { resolver: DidResolver; clock: Clock },
): Promise<RequestSignature> {
  const now = clock.now();
  const claim = readClaim(request, now);
  const base = signatureBaseOf(claim.covered, request);
  const resolution = await resolver.resolve(claim.controller, { ageMsMax: limits.didWriteAgeMsMax });
  const { algorithm, key } = keyOf(claim, resolution, now);

  const { alg, signature, controller, keyid, nonce, created } = claim;
  if (alg !== undefined && alg !== algorithmNames[algorithm]) {
    throw fault('"alg"', `is ${alg}, and the key ${keyid} signs with ${algorithmNames[algorithm]}. Leave it out`);
  }
  if (signature.length !== signatureBytes[algorithm]) {
    const expected = `${signatureBytes[algorithm]}, as with ${algorithmNames[algorithm]}`;
    throw fault("The signature", `has ${signature.length} bytes; expected are ${expected}`);
  }
  if (!verifyHashData(Buffer.from(base), algorithm, key, signature)) {
    throw new Problem(
      "invalid-signature",
      `The signature by ${keyid} is not one of this request. Here, @method is ${request.method} and @target-uri is ${request.targetUri}: sign with exactly these, and name the registry by its public URL, ${new URL(request.targetUri).origin}, whatever address the request is sent to.`,
      { extensions: { method: request.method, targetUri: request.targetUri } },
    );
  }
  return { controller, verificationMethod: keyid, nonce, created };
}

/**
 * The header fields that make a signed request of this one: `signature-input`, `signature` and, where there is a body,
 * `content-digest`. `targetUri` must be what the registry takes for its own address, with path and query as they are
 * sent; `nonce` must be new (8 to 128 characters of printable ASCII).
 */
export function signRequest(
  request: { method: string; targetUri: string; body?: string | Uint8Array },
  key: SigningKey,
  { created, nonce }: { created: Date; nonce: string },
): Record<string, string> {
  const body = Buffer.from(request.body ?? "");
  const digest = body.length === 0 ? {} : { "content-digest": contentDigestOf(body) };
  const covered: InnerList = [
    ["@method", "@target-uri", ...Object.keys(digest)].map((name) => [name, new Map()]),
    new Map<string, string | number>([
      ["created", Math.floor(created.getTime() / 1000)],
      ["nonce", nonce],
      ["keyid", key.id],
    ]),
  ];
  const base = signatureBaseOf(covered, { ...request, headers: new Headers(digest), body });
  const signature = signHashData(Buffer.from(base), key.algorithm, key.privateKey);
  return {
    ...digest,
    "signature-input": serializeDictionary(new Map([["sig1", covered]])),
    signature: serializeDictionary(new Map([["sig1", [signature, new Map()]]])),
  };
}

/**
 * What a signature over `covered` is made of (RFC 9421 §2.5): a line for each component, and its parameters. Throws
 * `invalid-signature` for a component that is not to be had of a request.
 */
export function signatureBaseOf(covered: InnerList, request: SignedRequest): string {
  const lines = covered[0].map((item) => {
    const name = String(item[0]);
    const value = componentOf(name, request);
    if (value === null)
      throw fault("Signature-Input", `covers ${serializeItem(item)}, which this request does not have`);
    // Others would not be the same bytes for signer and verifier.
    if (!/^[\t\x20-\x7e]*$/.test(value)) throw fault("Signature-Input", `covers "${name}", which is not ASCII`);
    return `${serializeItem(item)}: ${value}`;
  });
  return [...lines, `"@signature-params": ${serializeInnerList(covered)}`].join("\n");
}

/** The value of a component (RFC 9421 §2.1, §2.2); null for one that is not there or not known. */
function componentOf(name: string, { method, targetUri, headers }: SignedRequest): string | null {
  switch (name) {
    case "@method":
      return method;
    case "@target-uri":
      return targetUri;
    case "@authority":
      return new URL(targetUri).host;
    case "@scheme":
      return new URL(targetUri).protocol.slice(0, -1);
    case "@path":
      return new URL(targetUri).pathname;
    case "@query":
      return new URL(targetUri).search || "?";
    default:
      return fieldName.test(name) ? (headers.get(name)?.trim() ?? null) : null;
  }
}

/** The signature with everything checked that needs no key. */
function readClaim(request: SignedRequest, now: Date): Claim {
  const { covered, signature } = readOnlySignature(request.headers);
  checkCovered(covered, request);
  const parameters = covered[1];
  const created = readSeconds(parameters, "created");
  if (created === null)
    throw fault('"created"', "is missing. Expected are the seconds since 1970 at which it was signed");
  const distanceMs = created.getTime() - now.getTime();
  if (Math.abs(distanceMs) > limits.requestSignatureAgeMsMax) {
    const distance = `${Math.ceil(Math.abs(distanceMs) / 1000)} seconds ${distanceMs < 0 ? "before" : "after"}`;
    const allowed = `at most ${limits.requestSignatureAgeMsMax / 1000} are allowed`;
    throw fault('"created"', `is ${distance} this registry's clock, ${now.toISOString()}; ${allowed}`);
  }
  const expires = readSeconds(parameters, "expires");
  if (expires !== null && expires <= now) throw fault('"expires"', `has passed: it is ${now.toISOString()}`);

  const nonce = parameters.get("nonce");
  const { requestNonceCharactersMin: charactersMin, requestNonceCharactersMax: charactersMax } = limits;
  if (typeof nonce !== "string" || nonce.length < charactersMin || nonce.length > charactersMax) {
    const expected = `a string of ${charactersMin} to ${charactersMax} characters that was not used before`;
    throw fault('"nonce"', `is missing or not what is expected: ${expected}`);
  }
  const keyid = parameters.get("keyid");
  const method = typeof keyid === "string" ? splitMethodId(keyid) : null;
  if (typeof keyid !== "string" || method === null) {
    const expected = "a DID with the fragment of one of its keys, such as did:web:example.org#key-1";
    throw fault('"keyid"', `is missing or not what is expected: ${expected}`);
  }
  const alg = parameters.get("alg");
  if (alg !== undefined && typeof alg !== "string") throw fault('"alg"', "is not a string");
  return { covered, controller: method.did, keyid, alg, nonce, created, signature };
}

/** The one signature of the request and what it covers. */
function readOnlySignature(headers: SignedRequest["headers"]): { covered: InnerList; signature: Uint8Array } {
  const inputs = readDictionary(headers, "Signature-Input");
  const signatures = readDictionary(headers, "Signature");
  const [label = "", ...others] = inputs.keys();
  if (label === "" || others.length > 0) {
    const labels = [label, ...others].join(", ").slice(0, 200);
    const found = label === "" ? "names none" : `names ${others.length + 1} (${labels})`;
    throw fault(
      "Signature-Input",
      `${found}; expected is exactly one signature, so that it is certain which one counts`,
    );
  }
  if (signatures.size !== 1 || !signatures.has(label)) {
    const labels = [...signatures.keys()].join(", ").slice(0, 200);
    throw fault(
      "Signature",
      `holds ${labels || "nothing"}; expected is ${label}, as in Signature-Input, and nothing else`,
    );
  }
  const covered = inputs.get(label);
  if (covered === undefined || !isInnerList(covered)) {
    throw fault("Signature-Input", "is not a list in parentheses of the components that are covered");
  }
  const bytes = signatures.get(label)?.[0];
  if (!(bytes instanceof ArrayBuffer)) throw fault("Signature", "is not a byte sequence, base64 between colons");
  return { covered, signature: new Uint8Array(bytes) };
}

/** Throws unless what makes out the request is covered, each component once, and the digest is that of the body. */
function checkCovered([items]: InnerList, { headers, body }: SignedRequest): void {
  const names = items.map(([name, parameters]) => {
    if (typeof name !== "string") throw fault("Signature-Input", "covers something whose name is not a string");
    if (parameters.size > 0)
      throw fault("Signature-Input", `covers "${name}" with parameters, which are not understood`);
    return name;
  });
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw fault("Signature-Input", `covers "${twice}" twice`);
  const required = ["@method", "@target-uri", ...(body.length > 0 ? ["content-digest"] : [])];
  const missing = required.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw fault("Signature-Input", `does not cover ${missing.map((name) => `"${name}"`).join(" and ")}`);
  }
  if (names.includes("content-digest")) checkContentDigest(headers, body);
}

/** Throws unless every digest of the body that we know is right, and there is one (RFC 9530 §2). */
function checkContentDigest(headers: SignedRequest["headers"], body: Uint8Array): void {
  const digests = readDictionary(headers, "Content-Digest");
  const known = [...digests].filter(([name]) => digestNames.has(name));
  if (known.length === 0) throw fault("Content-Digest", `has none of ${[...digestNames.keys()].join(" and ")}`);
  for (const [name, [value]] of known) {
    const expected = createHash(digestNames.get(name) ?? "")
      .update(body)
      .digest();
    if (!(value instanceof ArrayBuffer) || !expected.equals(Buffer.from(value))) {
      throw fault("Content-Digest", `has another ${name} than the ${body.length} bytes of this body`);
    }
  }
}

function contentDigestOf(body: Uint8Array): string {
  return `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}

/** The public key that `keyid` names, if it may show that its controller is there. */
function keyOf({ controller, keyid }: Claim, resolution: DidResolution, now: Date): VerificationKey {
  const method = verificationMethodOf(resolution.document, "authentication", keyid);
  if (method === undefined) {
    throw fault('"keyid"', `is ${keyid}, which is not among the keys in "authentication" of ${controller}`);
  }
  if (method.controller !== controller) throw fault('"keyid"', `is a key whose controller is not ${controller}`);
  const ended = endedBy(method, now);
  if (ended !== null) throw fault('"keyid"', `is a key that must not be used any more, by its "${ended}"`);
  const key = importListedKey(method, resolution);
  if (key instanceof EncodingError) throw fault('"keyid"', `leads to a key that ${key.message}`);
  return key;
}

function readDictionary(headers: SignedRequest["headers"], name: string): Dictionary {
  const value = headers.get(name);
  if (value === null) throw fault(name, "is missing");
  try {
    return parseDictionary(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Problem("invalid-signature", `${name} is not a dictionary of structured fields (RFC 9651): ${reason}.`, {
      cause,
    });
  }
}

/** A parameter that is an instant in whole seconds since 1970; null where it is not there. */
function readSeconds(parameters: InnerList[1], name: "created" | "expires"): Date | null {
  const value = parameters.get(name);
  if (value === undefined) return null;
  const instant = typeof value === "number" && Number.isInteger(value) ? new Date(value * 1000) : null;
  if (instant === null || Number.isNaN(instant.getTime())) {
    throw fault(`"${name}"`, "is not a number of whole seconds since 1970");
  }
  return instant;
}

/** @param part of the signature: a header field, or a parameter in quotes. */
function fault(part: string, description: string): Problem {
  const subject = part.startsWith('"') ? `The signature's ${part}` : part;
  return new Problem("invalid-signature", `${subject} ${description}.`);
}
