import { isIP } from "node:net";
import { type Egress, EgressError, type EgressResponse } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import { parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { type DidDocument, readDidDocument } from "./did-document.ts";

/** A host name, and a port after a percent-encoded colon. */
const authoritySyntax = /^([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)(?:%3[Aa]([1-9]\d{0,4}))?$/;

/** Hosts that are reached by http where private addresses are allowed: they have no certificates. */
const plainHosts: readonly string[] = ["localhost", "127.0.0.1"];

/** What a path segment must not contain once it is decoded: it could lead elsewhere, or hide where it leads. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const trickyCharacters = /[/\\?#%@:;\u0000-\u0020\u007f-\u009f\u2028\u2029]/;

/**
 * Where the DID document of a did:web is (did:web method, "Read"): `did:web:host%3A8443:a:b` is at
 * `https://host:8443/a/b/did.json`, a DID without a path at `/.well-known/did.json`. Always https to a host name, but
 * where private addresses are allowed (tests and closed networks), `localhost` and `127.0.0.1` are asked by http.
 *
 * Throws `did-not-found` for what names no such place, IP addresses and encoded slashes or dots included.
 */
export function didWebUrl(did: Did, allowPrivateAddresses: boolean): URL {
  const [authority = "", ...segments] = did.slice("did:web:".length).split(":");
  const [, host, port] = authoritySyntax.exec(authority) ?? [];
  if (host === undefined) {
    throw notFound(did, `"${authority}" is not a host name, with a port as in example.org%3A8443`);
  }
  const isPlain = allowPrivateAddresses && plainHosts.includes(host);
  for (const segment of segments) {
    if (!isPlainSegment(segment)) {
      throw notFound(did, `the path segment "${segment}" is empty, or holds what may not be in one`);
    }
  }
  const path = segments.length === 0 ? "/.well-known/did.json" : `/${segments.join("/")}/did.json`;
  const text = `${isPlain ? "http" : "https"}://${host}${port === undefined ? "" : `:${port}`}${path}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // URL parsing turns 2130706433 and 0x7f.1 into addresses; a name must come out as it went in.
  if (url === undefined || url.hostname !== host.toLowerCase() || url.pathname !== path) {
    throw notFound(did, `"${authority}" does not make a URL that means what it says`);
  }
  if (isIP(host) !== 0 && !allowPrivateAddresses) {
    throw notFound(did, `"${host}" is an IP address, where did:web has a host name`);
  }
  return url;
}

/**
 * The DID document of a did:web, fetched.
 *
 * Throws `did-not-found` (final) for a missing or unusable document, `did-unavailable` (to be tried again) where the
 * host cannot be asked now, and `egress-refused` where it must not be asked.
 */
export async function fetchDidWeb(
  did: Did,
  deps: { egress: Egress; allowPrivateAddresses: boolean },
): Promise<{ document: DidDocument; bytes: number }> {
  const url = didWebUrl(did, deps.allowPrivateAddresses);
  const { status, body } = await fetchJson(did, url, deps.egress);
  if (status >= 500 || status === 429 || status === 408) {
    throw unavailable(did, `${url.href} answered with status ${status}`);
  }
  if (status !== 200) throw notFound(did, `${url.href} answered with status ${status}`);
  if (body.length > limits.didDocumentBytesMax) {
    throw notFound(did, `the document at ${url.href} has more than ${limits.didDocumentBytesMax} bytes`);
  }
  const document = readDidDocument(parseBody(did, url, body), did);
  if (typeof document === "string") throw notFound(did, `the document at ${url.href} cannot be used: ${document}`);
  return { document, bytes: body.length };
}

async function fetchJson(did: Did, url: URL, egress: Egress): Promise<EgressResponse> {
  try {
    return await egress.get(url, { accept: "application/did+json, application/did+ld+json, application/json" });
  } catch (error) {
    if (!(error instanceof EgressError)) throw error;
    const isPassing = error.kind === "unreachable" || error.kind === "timeout";
    const reason = `${url.href} could not be fetched (${error.message.replace(/\.$/, "")})`;
    throw isPassing ? unavailable(did, reason, error) : notFound(did, reason, error);
  }
}

function parseBody(did: Did, url: URL, body: Uint8Array): ReturnType<typeof parseJson>["value"] {
  try {
    return parseJson(body).value;
  } catch (error) {
    // The fault is in a document of the controller's, not in the one that the caller sent.
    if (!(error instanceof Problem)) throw error;
    throw notFound(did, `the document at ${url.href} cannot be read: ${error.message.replace(/\.$/, "")}`, error);
  }
}

/** Whether a path segment, once decoded, is a name and nothing else. */
function isPlainSegment(segment: string): boolean {
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch {
    return false;
  }
  return decoded !== "" && decoded !== "." && decoded !== ".." && !trickyCharacters.test(decoded);
}

function notFound(did: Did, reason: string, cause?: unknown): Problem {
  return new Problem("did-not-found", `${did} does not resolve: ${reason}.`, { extensions: { did }, cause });
}

function unavailable(did: Did, reason: string, cause?: unknown): Problem {
  return new Problem("did-unavailable", `${did} cannot be resolved now: ${reason}. Try again later.`, {
    retryAfterSeconds: limits.didFailureMsMax / 1000,
    extensions: { did },
    cause,
  });
}
