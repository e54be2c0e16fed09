import type { Context } from "hono";
import { type Digest, etagOf } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import type { EntryRow } from "../things/entry-store.ts";
import { isNotModified } from "./conditions.ts";
import type { HttpDeps } from "./deps.ts";

/** The end of the path of a version's bytes. */
export const versionSuffix = /\/versions\/([0-9a-f]{64})$/;

/** What is named by its digest never changes: a year, as RFC 9111 §5.3 had it for "never expires" (RFC 8246 §2). */
export const immutable = "max-age=31536000, immutable";

const mediaTypes = { description: "application/td+json", tombstone: "application/activity+json" } as const;

/**
 * Answers with the exact bytes of one version of an entry, so that anybody can check their digest and their proof.
 * Throws `not-found` where the entry has no version of this digest, or keeps it no more.
 */
export async function answerVersion(
  c: Context,
  entry: Pick<EntryRow, "key" | "thingId">,
  digest: string,
  { versions }: Pick<HttpDeps, "versions">,
): Promise<Response> {
  const version = await versions.findVersion(entry.key, digest);
  if (version === null) {
    throw new Problem(
      "not-found",
      `No version of ${entry.thingId.slice(0, 300)} with the digest ${digest} is kept here.`,
    );
  }
  const etag = etagOf(digest as Digest);
  const headers = { etag, "cache-control": immutable };
  if (isNotModified(c, etag)) return new Response(null, { status: 304, headers });
  return new Response(version.document, { headers: { ...headers, "content-type": mediaTypes[version.kind] } });
}
