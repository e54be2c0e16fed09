import canonicalizeJson from "canonicalize";
import type { JsonValue } from "./json.ts";

/**
 * The JSON Canonicalization Scheme form of `value` (RFC 8785): members sorted by UTF-16 code units, numbers as
 * ECMAScript prints them, no whitespace. `value` must come from `parseJson`, which has refused what JCS cannot hold.
 */
export function canonicalize(value: JsonValue): string {
  const text = canonicalizeJson(value);
  if (text === undefined) throw new TypeError("canonicalize was given a value that is not JSON");
  return text;
}
