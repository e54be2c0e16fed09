import { isIP } from "node:net";
import cacheControlParser from "cache-control-parser";
import type { Egress, EgressResponse } from "../base/egress.ts";
import { EgressError } from "../base/egress-error.ts";
import type { Did } from "../base/ids.ts";
import type { HostBudget } from "../base/host-budget.ts";
import { type JsonBounds, type JsonValue, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { DidDocument } from "./did-document.ts";

/** What the files of a DID are fetched with. */
export interface DidFetchDeps {
  egress: Egress;
  /** What `egress` was made with; it lets DIDs lead to localhost, by http. */
  allowPrivateAddresses: boolean;
  hostBudget: HostBudget;
}

/** A DID document from the network. */
export interface FetchedDid {
  document: DidDocument;
  /** Bytes of the document as it came. */
  bytes: number;
  /** For how long it is current by its host or its controller, in milliseconds; undefined if they do not say. */
  lifetimeMs: number | undefined;
}

/** A host name, and a port after a percent-encoded colon. */
const authoritySyntax = /^([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)(?:%3[Aa]([1-9]\d{0,4}))?$/;

/** Hosts that are reached by http where private addresses are allowed: they have no certificates. */
const plainHosts: readonly string[] = ["localhost", "127.0.0.1"];

/** What a path segment must not contain once it is decoded: it could lead elsewhere, or hide where it leads. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const trickyCharacters = /[/\\?#%@:;\u0000-\u0020\u007f-\u009f\u2028\u2029]/;

/**
 * Where `file` of a DID is whose host and path are `location` (did:web method, "Read"; did:webvh §"The DID to HTTPS
 * Transformation"): `host%3A8443:a:b` leads to `https://host:8443/a/b/FILE`, a location without a path to
 * `/.well-known/FILE`. Always https to a host name, but where private addresses are allowed (tests and closed networks),
 * `localhost` and `127.0.0.1` are asked by http.
 *
 * Throws `did-not-found` for what names no such place, IP addresses and encoded slashes or dots included.
 */
export function didFileUrl(did: Did, location: string, file: string, allowPrivateAddresses: boolean): URL {
  const [authority = "", ...segments] = location.split(":");
  const [, host, port] = authoritySyntax.exec(authority) ?? [];
  if (host === undefined) {
    throw didNotFound(did, `"${authority}" is not a host name, with a port as in example.org%3A8443`);
  }
  const isPlain = allowPrivateAddresses && plainHosts.includes(host);
  for (const segment of segments) {
    if (!isPlainSegment(segment)) {
      throw didNotFound(did, `the path segment "${segment}" is empty, or holds what may not be in one`);
    }
  }
  const path = segments.length === 0 ? `/.well-known/${file}` : `/${segments.join("/")}/${file}`;
  const text = `${isPlain ? "http" : "https"}://${host}${port === undefined ? "" : `:${port}`}${path}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // URL parsing turns 2130706433 and 0x7f.1 into addresses; a name must come out as it went in.
  if (url === undefined || url.hostname !== host.toLowerCase() || url.pathname !== path) {
    throw didNotFound(did, `"${authority}" does not make a URL that means what it says`);
  }
  if (isIP(host) !== 0 && !allowPrivateAddresses) {
    throw didNotFound(did, `"${host}" is an IP address, where a DID has a host name`);
  }
  return url;
}

/**
 * The answer of `url`, a file of `did`, with any status that is final. Caches on the way are asked to look again
 * (RFC 9111 §5.2.1.4); one that does not is part of the host.
 *
 * Throws `did-unavailable` (to be tried again) where the host cannot be asked now, or was asked too often;
 * `did-not-found` (final) for an answer that is none; `egress-refused` where it must not be asked.
 */
export async function fetchDidFile(did: Did, url: URL, accept: string, deps: DidFetchDeps): Promise<EgressResponse> {
  const waitMs = deps.hostBudget.take(url.hostname);
  if (waitMs > 0) {
    throw didUnavailable(did, `${url.hostname} is asked for too many DIDs at once`, {
      retryAfterSeconds: Math.ceil(waitMs / 1000),
    });
  }
  let answer: EgressResponse;
  try {
    answer = await deps.egress.get(url, { accept, headers: { "cache-control": "no-cache" } });
  } catch (error) {
    if (!(error instanceof EgressError)) throw error;
    const isPassing = error.kind === "unreachable" || error.kind === "timeout";
    const reason = `${url.href} could not be fetched (${error.message.replace(/\.$/, "")})`;
    throw isPassing ? didUnavailable(did, reason, { cause: error }) : didNotFound(did, reason, error);
  }
  const { status } = answer;
  if (status >= 500 || status === 429 || status === 408) {
    throw didUnavailable(did, `${url.href} answered with status ${status}`);
  }
  return answer;
}

/** A JSON file of `did`, parsed. Throws `did-not-found` if it is not the I-JSON that `bounds` allow. */
export function parseDidFile(did: Did, url: URL, body: Uint8Array, bounds?: JsonBounds): JsonValue {
  try {
    return parseJson(body, bounds).value;
  } catch (error) {
    // The fault is in a document of the controller's, not in the one that the caller sent.
    if (!(error instanceof Problem)) throw error;
    throw didNotFound(did, `the document at ${url.href} cannot be read: ${error.message.replace(/\.$/, "")}`, error);
  }
}

/**
 * For how long an answer is current by its Cache-Control, in milliseconds; undefined if that does not say (RFC 9111
 * §4.2.1). The time that it spent in caches on the way, its Age, is taken off.
 *
 * `s-maxage` does not count: it is for shared caches (§5.2.2.10), such as CDNs, which the origin can purge. This cache
 * serves one user agent, the registry, which never passes the answer on; nobody can purge it. For the same reason
 * `private` forbids nothing here.
 */
export function lifetimeMsOf(headers: Headers): number | undefined {
  const cacheControl = cacheControlParser.parse(headers.get("cache-control") ?? "");
  // Of directives in conflict the most restrictive one counts.
  if (cacheControl["no-store"] === true || cacheControl["no-cache"] === true) return 0;
  const maxAgeSeconds = cacheControl["max-age"];
  if (maxAgeSeconds === undefined) return undefined;
  const ageSeconds = /^\d{1,10}$/.test(headers.get("age") ?? "") ? Number(headers.get("age")) : 0;
  return Math.max(0, maxAgeSeconds - ageSeconds) * 1000;
}

/** `did-not-found`: the DID does not resolve, and will not until its host or controller changes something. */
export function didNotFound(did: Did, reason: string, cause?: unknown): Problem {
  return new Problem("did-not-found", `${did} does not resolve: ${reason}.`, { extensions: { did }, cause });
}

/** `did-deactivated`: the controller has given the DID up. */
export function didDeactivated(did: Did, reason: string): Problem {
  return new Problem("did-deactivated", `${did} was deactivated: ${reason}.`, { extensions: { did } });
}

/** `did-unavailable`: the DID may resolve later, by default when its failure is no longer remembered. */
export function didUnavailable(
  did: Did,
  reason: string,
  options: { retryAfterSeconds?: number; cause?: unknown } = {},
): Problem {
  return new Problem("did-unavailable", `${did} cannot be resolved now: ${reason}. Try again later.`, {
    retryAfterSeconds: options.retryAfterSeconds ?? limits.didFailureMsMax / 1000,
    extensions: { did },
    cause: options.cause,
  });
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
