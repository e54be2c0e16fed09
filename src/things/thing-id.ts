import type { ThingId } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";

/** A scheme, then anything: the parts are checked by `isUri`. */
const schemePattern = /^[a-z][a-z0-9+.-]*:/i;

/** What may stand in an IRI besides percent-encoding (RFC 3986 §2, RFC 3987 §2.2); brackets are checked apart. */
const charactersPattern =
  /^[a-z0-9\-._~:/?#@!$&'()*+,;=%[\]\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\u{10000}-\u{efffd}]+$/iu;

/** White space, controls and invisible formatting (which RFC 3987 §4.1 keeps out of IRIs, and people cannot see). */
const invisiblePattern = /[\s\p{Cc}\p{Cf}]/u;

/** An authority that is an IP literal, after the scheme: the only place for brackets (RFC 3986 §3.2.2). */
const ipLiteralPattern = /^\/\/(?:[^/?#[\]@]*@)?\[[0-9a-z.:~!$&'()*+,;=_-]+\](?::[0-9]*)?(?=[/?#]|$)/i;

/**
 * Whether `text` is an absolute URI of any scheme (RFC 3986), or an IRI (RFC 3987): a scheme, a colon and at least one
 * character more, without white space, control or invisible characters. Takes time linear in the length of `text`.
 */
export function isUri(text: string): boolean {
  const scheme = schemePattern.exec(text)?.[0];
  if (scheme === undefined || scheme.length === text.length) return false;
  const rest = text.slice(scheme.length);
  if (!charactersPattern.test(rest) || invisiblePattern.test(rest)) return false;
  if (/%(?![0-9a-f]{2})/i.test(rest)) return false;
  if (rest.indexOf("#") !== rest.lastIndexOf("#")) return false;
  return !/[[\]]/.test(rest.replace(ipLiteralPattern, ""));
}

/** What is wrong with `text` as a thing id, in words that follow "the id "; null when nothing is. */
export function thingIdFault(text: string): string | null {
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.thingIdBytesMax) {
    return `has ${bytes} bytes; at most ${limits.thingIdBytesMax} are accepted`;
  }
  if (!isUri(text)) {
    return 'is not a URI; expected a scheme and what it names, without spaces, e.g. "urn:uuid:…" or "https://…"';
  }
  return null;
}

/**
 * Reads the id of a thing: a URI or IRI of at most `limits.thingIdBytesMax` bytes (TD 1.1 §5.3.1.1).
 * Throws `invalid-thing-description` (400) with a validation error at `/id`.
 */
export function parseThingId(text: string): ThingId {
  const fault = thingIdFault(text);
  if (fault === null) return text as ThingId;
  const description = `The id ${fault}.`;
  throw new Problem("invalid-thing-description", description, { validationErrors: [{ field: "/id", description }] });
}

/** The document's `id` as written, URI or not; null if it has none that is a string. */
export function thingIdOf(td: JsonObject): string | null {
  return typeof td.id === "string" ? td.id : null;
}
