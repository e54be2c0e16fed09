import type { Did } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";

/** DID Core §3.1, but for the rule that the last character is not a colon. */
const didSyntax = /^did:[a-z0-9]+:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})+$/;

/** A fragment as in RFC 3986 §3.5, not empty. */
const fragmentSyntax = /^(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})+$/;

/** Whether `text` is a DID (DID Core §3.1): no path, query or fragment, at most `limits.didBytesMax` bytes. */
export function isDid(text: string): text is Did {
  // All of the syntax is ASCII, so that characters are bytes.
  return text.length <= limits.didBytesMax && didSyntax.test(text) && !text.endsWith(":");
}

/**
 * `text` as a DID (DID Core §3.1): no path, query or fragment, at most `limits.didBytesMax` bytes.
 * Throws `did-not-found` for all else: what is no DID cannot resolve.
 */
export function parseDid(text: string): Did {
  if (isDid(text)) return text;
  if (text.length > limits.didBytesMax) {
    throw new Problem("did-not-found", `A DID has at most ${limits.didBytesMax} bytes; "${shorten(text)}" is longer.`);
  }
  throw new Problem(
    "did-not-found",
    `"${shorten(text)}" is not a DID. Expected is did:METHOD:IDENTIFIER without path, query or fragment, such as did:web:example.org.`,
  );
}

/** The DID part of a DID URL, such as the id of a verification method (DID Core §3.2). Throws as `parseDid`. */
export function didOfUrl(didUrl: string): Did {
  return parseDid(didUrl.split(/[/?#]/, 1)[0] ?? "");
}

/** The DID and the fragment of `DID#FRAGMENT`; null for any other text, DID URLs with a path or query included. */
export function splitMethodId(didUrl: string): { did: Did; fragment: string } | null {
  const hash = didUrl.indexOf("#");
  if (hash < 0 || didUrl.length > limits.didBytesMax * 2) return null;
  const did = didUrl.slice(0, hash);
  const fragment = didUrl.slice(hash + 1);
  return isDid(did) && fragmentSyntax.test(fragment) ? { did, fragment } : null;
}

/** The method of `did`: `key` of `did:key:z6Mk…`. */
export function methodOf(did: Did): string {
  return did.slice(4, did.indexOf(":", 4));
}

function shorten(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
