import type { Context, MiddlewareHandler } from "hono";
import type { Evidence } from "../admission/stages.ts";
import type { ThingId } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import type { HttpDeps } from "./deps.ts";
import { type EvidenceDeps, isSigned, readToken } from "./evidence.ts";
import { senderOf } from "./sender.ts";

/**
 * What has to be readable for everybody: probes send no token, and whoever checks a signature of ours, or wants to
 * follow, needs the key and the inbox.
 */
const openPath = /^\/(health\/[^/]+|\.well-known\/(did\.json|webfinger|nodeinfo)|nodeinfo\/2\.1|actor)$/;

/** Where other registries deliver: their signatures say who they are, and the inbox whether they may. */
const inboxPath = "/inbox";

/** What followers read, whom the operator has accepted. */
const followersPath = /^\/(outbox|entries(\/[^/]+)?)$/;

/** What owners do to their entries, who need not be readers for it. */
const ownerActs: Readonly<Record<string, RegExp>> = {
  POST: /^\/things\/.+\/(heartbeat|visibility)$/,
  DELETE: /^\/things\/.+$/,
};

/**
 * Lets nobody in without an API token, except to `openPath` and the inbox, and followers to what is for them. What is
 * there and what is not shows only to who has one. The answer to others is WoT Discovery's security bootstrapping
 * (§7.1.2, exploration-secboot-401).
 *
 * Signed acts of owners pass as well: their routes verify the signature, and call `requireOwnerOrReader`.
 */
export function requireReader(deps: EvidenceDeps & Pick<HttpDeps, "federation">): MiddlewareHandler {
  return async (c, next) => {
    const mayPass =
      isOpen(c) || (await readToken(c, deps)).token !== null || isSignedOwnerAct(c) || (await isFollower(c, deps));
    if (!mayPass) throw readersOnly();
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

function isOpen(c: Context): boolean {
  return c.req.method === "POST" ? c.req.path === inboxPath : isRead(c) && openPath.test(c.req.path);
}

/** Whether somebody reads what followers may, and is one. */
async function isFollower(c: Context, deps: Pick<HttpDeps, "publicUrl" | "federation">): Promise<boolean> {
  if (!isRead(c) || !followersPath.test(c.req.path) || !isSigned(c)) return false;
  return deps.federation.isFollower(senderOf(c, deps));
}

function isRead(c: Context): boolean {
  return ["GET", "HEAD"].includes(c.req.method);
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
