import type { Context } from "hono";
import { Problem } from "../base/problem.ts";

/**
 * The possible readings of the id in a path below `/things/`, the likeliest first.
 *
 * An id may hold slashes, `?` and percent signs, and clients differ in what they encode: RFC 3986 decoding comes
 * first, then the path as it was sent. `suffix` is cut off, if the route has one.
 */
export function readThingPath(c: Context, suffix = ""): string[] {
  const { pathname } = new URL(c.req.url);
  const raw = pathname.slice("/things/".length, pathname.length - suffix.length);
  const decoded = decode(raw);
  if (decoded === null) {
    throw new Problem("invalid-parameter", `The path has a broken percent-encoding: ${raw.slice(0, 200)}`, {
      validationErrors: [{ field: "id", description: "must be percent-encoded UTF-8 (RFC 3986)" }],
    });
  }
  return decoded === raw ? [raw] : [decoded, raw];
}

function decode(raw: string): string | null {
  try {
    return decodeURIComponent(raw);
  } catch {
    return null;
  }
}
