import type { Context, MiddlewareHandler } from "hono";
import type { Evidence } from "../admission/stages.ts";
import type { ThingId } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import type { HttpDeps } from "./deps.ts";
import { type EvidenceDeps, isSigned, readToken } from "./evidence.ts";

/** What has to be readable for everybody: probes send no token, and whoever checks a signature of ours needs the key. */
const openPath = /^\/(health\/[^/]+|\.well-known\/did\.json)$/;

/** What owners do to their entries, who need not be readers for it. */
const ownerActs: Readonly<Record<string, RegExp>> = {
  POST: /^\/things\/.+\/(heartbeat|visibility)$/,
  DELETE: /^\/things\/.+$/,
};

/**
 * Lets nobody in without an API token, except to `openPath`. What is there and what is not shows only to who has one.
 * The answer to others is WoT Discovery's security bootstrapping (§7.1.2, exploration-secboot-401).
 *
 * Signed acts of owners pass as well: their routes verify the signature, and call `requireOwnerOrReader`.
 */
export function requireReader(deps: EvidenceDeps): MiddlewareHandler {
  return async (c, next) => {
    const isOpen = openPath.test(c.req.path) && ["GET", "HEAD"].includes(c.req.method);
    if (!isOpen && (await readToken(c, deps)).token === null && !isSignedOwnerAct(c)) throw readersOnly();
    await next();
  };
}

/**
 * Where only readers may know what is there, stops whoever is neither one nor the controller of an entry that the path
 * may name (`thingIds`), before the answer could tell anything. Throws `token-required`.
 */
export async function requireOwnerOrReader(
  { token, signer }: Evidence,
  thingIds: readonly string[],
  { readAccess, entries }: Pick<HttpDeps, "readAccess" | "entries">,
): Promise<void> {
  if (readAccess === "open" || token !== null) return;
  for (const thingId of signer === null ? [] : thingIds) {
    const rows = await entries.findAllOfThing(thingId as ThingId);
    if (rows.some(({ controller }) => controller === signer)) return;
  }
  throw readersOnly();
}

function isSignedOwnerAct(c: Context): boolean {
  return isSigned(c) && ownerActs[c.req.method]?.test(c.req.path) === true;
}

function readersOnly(): Problem {
  return new Problem(
    "token-required",
    "This registry can be read only with an API token: send it as `Authorization: Bearer <token>`.",
  );
}
