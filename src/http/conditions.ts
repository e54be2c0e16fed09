import type { Context } from "hono";
import type { Precondition } from "../admission/stages.ts";
import type { Etag } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";

/** The conditions of a write (RFC 9110 §13.1). Weak tags never match strongly, so they are left out. */
export function readPrecondition(c: Context): Precondition {
  const ifMatch = c.req.header("if-match");
  const ifNoneMatch = c.req.header("if-none-match");
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: parseTags(ifMatch, "If-Match") }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: parseTags(ifNoneMatch, "If-None-Match") }),
  };
}

/** Whether a reader already has the representation named by `etag` (`If-None-Match` on GET, weak comparison). */
export function isNotModified(c: Context, etag: Etag): boolean {
  const header = c.req.header("if-none-match");
  if (header === undefined) return false;
  const tags = parseTags(header.replaceAll(/(^|,)\s*W\//g, "$1"), "If-None-Match");
  return tags === "*" || tags.includes(etag);
}

function parseTags(header: string, name: string): "*" | Etag[] {
  const text = header.trim();
  if (text === "*") return "*";
  const tags = text === "" ? [] : text.split(",").map((tag) => tag.trim());
  if (tags.length === 0 || !tags.every((tag) => /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/.test(tag))) {
    throw new Problem("invalid-parameter", `${name} must be \`*\` or a list of quoted entity tags.`, {
      validationErrors: [{ field: name, description: 'must be * or entity tags such as "abc"' }],
    });
  }
  return tags.filter((tag) => !tag.startsWith("W/")) as Etag[];
}
