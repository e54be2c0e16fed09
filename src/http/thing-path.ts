import type { Context } from "hono";
import { Problem } from "../base/problem.ts";

const prefix = "/things/";

/**
 * The possible readings of the id in a path below `/things/`, the likeliest first.
 *
 * An id may hold slashes, `?` and percent signs, and clients differ in what they encode: RFC 3986 decoding comes
 * first, then the path as it was sent. Some clients append an entry's absolute URL instead of resolving it, so that
 * what it names is a reading as well. `suffix` is cut off, if the route has one.
 */
export function readThingPath(c: Context, publicUrl: string, suffix = ""): string[] {
  const { pathname } = new URL(c.req.url);
  const raw = pathname.slice(prefix.length, pathname.length - suffix.length);
  const decoded = decode(raw);
  if (decoded === null || decoded.includes("\0")) {
    throw new Problem("invalid-parameter", `The path is no percent-encoded text: ${raw.slice(0, 200)}`, {
      validationErrors: [{ field: "id", description: "must be percent-encoded UTF-8 without NUL (RFC 3986)" }],
    });
  }
  const readings = decoded === raw ? [raw] : [decoded, raw];
  const entryUrlPrefix = publicUrl + prefix;
  for (const reading of readings.slice()) {
    // A URL in a URL: an entry of that very id goes first.
    if (!reading.startsWith(entryUrlPrefix)) continue;
    const named = reading.slice(entryUrlPrefix.length);
    readings.push(...new Set([decode(named) ?? named, named]));
  }
  return readings;
}

function decode(raw: string): string | null {
  try {
    return decodeURIComponent(raw);
  } catch {
    return null;
  }
}
