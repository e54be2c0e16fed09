import type { MiddlewareHandler } from "hono";
import { Problem } from "../base/problem.ts";
import { readEvidence } from "./evidence.ts";

/** What has to be readable for everybody: probes send no token, and whoever checks a signature of ours needs the key. */
const openPath = /^\/(health\/[^/]+|\.well-known\/did\.json)$/;

/**
 * Lets nobody in without the operator's token, except to `openPath`. What is there and what is not shows only to who
 * has it. The answer to others is WoT Discovery's security bootstrapping (§7.1.2, exploration-secboot-401).
 */
export function requireReader(adminToken: string | null): MiddlewareHandler {
  return async (c, next) => {
    const isOpen = openPath.test(c.req.path) && ["GET", "HEAD"].includes(c.req.method);
    if (!isOpen && readEvidence(c, adminToken).token === null) {
      throw new Problem(
        "token-required",
        "This registry can be read only with an API token: send it as `Authorization: Bearer <token>`.",
      );
    }
    await next();
  };
}
