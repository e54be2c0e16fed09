import type { z } from "@hono/zod-openapi";
import { limits } from "../base/limits.ts";
import type { EntryRow } from "../things/entry-store.ts";
import type { HttpDeps } from "./deps.ts";
import { entryUrl } from "./entry-url.ts";
import type { registrationSchema, versionsSchema } from "./things-schemas.ts";
import { trustIn } from "./trusted-entries.ts";

/** What the registry knows about an entry: registration, verification, provenance. */
export async function registrationOf(
  entry: EntryRow,
  deps: Pick<HttpDeps, "entries" | "assessments" | "publicUrl" | "federation" | "clock">,
): Promise<z.infer<typeof registrationSchema>> {
  const { entries, publicUrl } = deps;
  const { trust, lookalike } = await trustIn(entry, deps, deps.clock.now());
  return {
    id: entry.thingId,
    href: entryUrl(publicUrl(), entry),
    state: entry.state === "retracted" ? "retracted" : "active",
    controller: entry.controller,
    digest: entry.digest,
    registration: {
      created: entry.created.toISOString(),
      modified: entry.modified.toISOString(),
      ...(entry.expires === null ? {} : { expires: entry.expires.toISOString() }),
      ...(entry.ttlSeconds === null ? {} : { ttl: entry.ttlSeconds }),
    },
    visibility: entry.visibility,
    verification: {
      verified: trust.state === "verified",
      state: trust.state,
      reason: trust.reason,
      since: trust.since.toISOString(),
      verificationMethod: entry.verificationMethod,
      cryptosuite: entry.cryptosuite,
      verifiedAt: entry.verifiedAt?.toISOString() ?? null,
      created: entry.versionCreated,
      expires: entry.proofExpires?.toISOString() ?? null,
      didDocumentRetrieved: trust.didDocumentRetrieved?.toISOString() ?? null,
      stale: trust.stale,
      assessed: trust.assessed?.toISOString() ?? null,
    },
    badges: trust.badges,
    findings: trust.findings,
    lookalike,
    provenance: { door: entry.door, origin: entry.origin, stale: isStale(entry, deps) },
    equivocal: entry.equivocal,
    repairs: entry.repairs ?? [],
    alias: entry.controller === null ? await entries.aliasOf(entry.key) : null,
  };
}

/** Whether the registry that the entry came from has not been heard for long. */
export function isStale({ origin }: Pick<EntryRow, "origin">, { federation }: Pick<HttpDeps, "federation">): boolean {
  return origin !== null && federation.isStale(origin);
}

/** The history of an entry, newest version first. */
export async function versionsOf(
  entry: EntryRow,
  { entries, publicUrl }: Pick<HttpDeps, "entries" | "publicUrl">,
): Promise<z.infer<typeof versionsSchema>> {
  const versions = await entries.listVersions(entry.key, limits.versionsPerEntryMax);
  const hrefOf = (digest: string) => {
    const url = new URL(entryUrl(publicUrl(), entry));
    url.pathname += `/versions/${digest}`;
    return url.href;
  };
  return {
    id: entry.thingId,
    versions: versions.map((version) => ({
      digest: version.digest,
      href: hrefOf(version.digest),
      kind: version.kind,
      current: version.id === entry.versionId,
      created: version.versionCreated,
      accepted: version.accepted.toISOString(),
      verificationMethod: version.verificationMethod,
      door: version.door,
      origin: version.origin,
    })),
  };
}
