import { verifyRequestDetailed } from "@fedify/fedify/sig";
import { CryptographicKey } from "@fedify/vocab";
import { isInnerList, parseDictionary, serializeDictionary } from "structured-headers";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { isHttpUrl } from "./http-url.ts";
import type { RemoteKey, RemoteKeys } from "./remote-keys.ts";
import { instantOf, type SignatureSpec } from "./signer.ts";

/** A request as it came in. */
export interface SignedRequest {
  method: string;
  /** The registry's public origin, then path and query as they were sent. */
  url: string;
  headers: Headers;
  body: Uint8Array;
}

/** Who signed a request. */
export interface RequestSigner {
  /** The id of the actor whose document lists the key. */
  actor: string;
  keyId: string;
}

export type VerifySignature = (request: SignedRequest, expected?: { actor: string }) => Promise<RequestSigner>;

/** What a signature says, its form being right. */
interface Claim {
  spec: SignatureSpec;
  keyId: URL;
  /** What is handed on to be verified: exactly what was looked at here. */
  headers: Headers;
}

/** How far the time of a signature may lie from the clock. An hour is what the fediverse has for drafts of the standard. */
const ageMsMax: Record<SignatureSpec, number> = {
  rfc9421: limits.requestSignatureAgeMsMax,
  "draft-cavage-http-signatures-12": 60 * 60 * 1000,
};

/**
 * Makes what checks who signed a request: by HTTP Message Signatures (RFC 9421) or by draft-cavage-http-signatures-12.
 *
 * The signature has to cover the method, the address with the host, the time and, but for GET and HEAD, a digest of the
 * body (SHA-256 or SHA-512) that is right. It must be the only one. Its key is read from the key's own origin, and `actor`
 * is whose document lists it. If `expected` is given, a key of another origin is refused before anything is fetched.
 *
 * Throws `invalid-signature`, and `peer-unavailable` where the key cannot be fetched now.
 */
export function createSignatureVerifier({ keys, clock }: { keys: RemoteKeys; clock: Clock }): VerifySignature {
  async function holds(request: SignedRequest, claim: Claim, findKey: () => Promise<RemoteKey>): Promise<boolean> {
    const { method, url, body } = request;
    const hasBody = method !== "GET" && method !== "HEAD";
    const copy = new Request(url, {
      method,
      headers: claim.headers,
      ...(hasBody ? { body: Buffer.from(body) } : {}),
    });
    const result = await verifyRequestDetailed(copy, {
      spec: claim.spec,
      // The time was looked at above, by the clock that was given.
      timeWindow: false,
      currentTime: instantOf(clock.now()),
      documentLoader: refuseToLoad,
      contextLoader: refuseToLoad,
      keyCache: {
        async get() {
          const { owner, publicKey } = await findKey();
          return new CryptographicKey({ id: claim.keyId, owner: new URL(owner), publicKey });
        },
        async set() {},
      },
    });
    return result.verified;
  }

  return async (request, expected) => {
    const claim = readClaim(request, clock.now());
    if (expected !== undefined && URL.parse(expected.actor)?.origin !== claim.keyId.origin) {
      throw fault(`is by the key ${claim.keyId.href}, which is not of the origin of ${expected.actor}`);
    }
    let key: RemoteKey | null = null;
    const findKey = async (find: Promise<RemoteKey | null>): Promise<RemoteKey> => {
      key = await find;
      if (key === null) throw fault(`by ${claim.keyId.href} does not fit the request`);
      return key;
    };
    try {
      const isVerified =
        (await holds(request, claim, () => findKey(keys.find(claim.keyId)))) ||
        // No key was asked for where the signature is wrong whatever the key.
        (key !== null && (await holds(request, claim, () => findKey(keys.refresh(claim.keyId)))));
      if (!isVerified || key === null) throw fault(`by ${claim.keyId.href} does not fit the request`);
    } catch (cause) {
      // What is thrown otherwise, Fedify throws at dates and base64 that are none.
      if (cause instanceof Problem) throw cause;
      throw fault(`by ${claim.keyId.href} cannot be read`, { cause });
    }
    const { owner } = key as RemoteKey;
    if (expected !== undefined && owner !== expected.actor) {
      throw fault(`is by ${owner}, and not by ${expected.actor}`);
    }
    return { actor: owner, keyId: claim.keyId.href };
  };
}

/** The signature with everything checked that needs no key. */
function readClaim(request: SignedRequest, now: Date): Claim {
  const headers = new Headers(request.headers);
  // A request to another host must not count here, whatever its Host header says.
  headers.set("host", new URL(request.url).host);
  return headers.has("signature-input")
    ? readMessageSignature(request, headers, now)
    : readDraft(request, headers, now);
}

/** RFC 9421. */
function readMessageSignature({ method }: SignedRequest, headers: Headers, now: Date): Claim {
  const inputs = readDictionary(headers, "signature-input");
  const [input] = inputs.values();
  const [label = ""] = inputs.keys();
  if (input === undefined || inputs.size > 1 || !readDictionary(headers, "signature").has(label)) {
    throw fault("is missing, or not the only one");
  }
  if (!isInnerList(input)) throw fault("does not list what it covers");
  const [items, parameters] = input;
  const covered = items.map(([name, ofName]) => {
    if (typeof name !== "string" || ofName.size > 0) throw fault("covers what is not understood here");
    return name;
  });
  requireCovered(covered, ["@method", "@target-uri", ...(isRead(method) ? [] : ["content-digest"])]);
  if (covered.includes("content-digest")) requireDigest(headers.get("content-digest"), /\bsha-(?:256|512)=:/);
  const created = parameters.get("created");
  const expires = parameters.get("expires");
  requireTime(typeof created === "number" ? created * 1000 : Number.NaN, "rfc9421", now);
  if (expires !== undefined && !(typeof expires === "number" && expires * 1000 > now.getTime())) {
    throw fault(`has expired: it is ${now.toISOString()} here`);
  }
  headers.set("signature-input", serializeDictionary(new Map([[label, input]])));
  return { spec: "rfc9421", keyId: readKeyId(parameters.get("keyid")), headers };
}

const draftParameter = '[A-Za-z]+=(?:"[^",]*"|\\d+)';
const draftPattern = new RegExp(`^\\s*${draftParameter}\\s*(?:,\\s*${draftParameter}\\s*)*$`);

/** draft-cavage-http-signatures-12. */
function readDraft({ method, url }: SignedRequest, headers: Headers, now: Date): Claim {
  const header = headers.get("signature");
  if (header === null) throw fault("is missing: sign the request by RFC 9421 or draft-cavage-http-signatures-12");
  if (!draftPattern.test(header)) throw fault("is not of the form that draft-cavage-http-signatures-12 has");
  const pairs = [...header.matchAll(/([A-Za-z]+)=(?:"([^"]*)"|(\d+))/g)];
  const parameters = new Map(pairs.map(([, name = "", text, digits]) => [name, text ?? digits ?? ""]));
  if (parameters.size !== pairs.length) throw fault("has a parameter twice");
  const covered = (parameters.get("headers") ?? "").split(/\s+/);
  requireCovered(covered, ["(request-target)", "host", "date", ...(isRead(method) ? [] : ["digest"])]);
  // Fedify leaves the query out of what it verifies.
  if (new URL(url).search !== "") throw fault("does not cover the query: sign by RFC 9421");
  if (covered.includes("digest")) requireDigest(headers.get("digest"), /\bsha-(?:256|512)=/i);
  requireTime(Date.parse(headers.get("date") ?? ""), "draft-cavage-http-signatures-12", now);
  return { spec: "draft-cavage-http-signatures-12", keyId: readKeyId(parameters.get("keyId")), headers };
}

/** Whether a request of this method has no body. */
function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

function requireCovered(covered: readonly string[], required: readonly string[]): void {
  const missing = required.filter((name) => !covered.includes(name));
  if (missing.length > 0) throw fault(`does not cover ${missing.join(" and ")}`);
  if (new Set(covered).size !== covered.length) throw fault("covers something twice");
}

/** Whether it is the body's is found out by Fedify. */
function requireDigest(digest: string | null, pattern: RegExp): void {
  if (digest === null || !pattern.test(digest)) throw fault("comes without a digest of the body by SHA-256 or SHA-512");
}

function requireTime(ms: number, spec: SignatureSpec, now: Date): void {
  const distanceMs = Math.abs(ms - now.getTime());
  if (distanceMs <= ageMsMax[spec]) return;
  throw fault(`is not of now: at most ${ageMsMax[spec] / 1000} seconds from ${now.toISOString()} are allowed`);
}

function readKeyId(value: unknown): URL {
  if (typeof value === "string" && isHttpUrl(value)) return new URL(value);
  throw fault("names no key: its keyId must be an http or https URL");
}

function readDictionary(headers: Headers, name: string) {
  try {
    return parseDictionary(headers.get(name) ?? "");
  } catch (cause) {
    throw fault(`is in a header ${name} that is not a dictionary of structured fields (RFC 9651)`, { cause });
  }
}

/** Keys come from the cache, and contexts are not needed for them. */
async function refuseToLoad(url: string): Promise<never> {
  throw new Error(`${url} is not loaded`);
}

function fault(description: string, options: { cause?: unknown } = {}): Problem {
  return new Problem("invalid-signature", `The signature of the request ${description}.`, options);
}
