import { createHash, timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import { type Evidence, noEvidence } from "../admission/stages.ts";
import { Problem } from "../base/problem.ts";

/**
 * What the request shows about its sender. A token that is not the operator's is refused rather than ignored: its
 * owner believes to be somebody here.
 */
export function readEvidence(c: Context, adminToken: string | null): Evidence {
  const header = c.req.header("authorization");
  if (header === undefined) return noEvidence;
  const token = /^Bearer +([^\s]+)$/i.exec(header.trim())?.[1];
  if (token === undefined || adminToken === null || !isSame(token, adminToken)) {
    throw new Problem("token-required", "The Authorization header holds no token that this registry knows.");
  }
  return { token: "admin", signer: null };
}

/** Compares digests, which have one length, in constant time. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
