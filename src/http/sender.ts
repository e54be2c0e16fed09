import type { Context } from "hono";
import { remoteAddressOf } from "./connection.ts";
import type { HttpDeps } from "./deps.ts";
import { targetUriOf } from "./evidence.ts";
import type { InboxRequest } from "./federation-port.ts";

/** What of a request shows which actor sent it, and from where. */
export function senderOf(c: Context, { publicUrl }: Pick<HttpDeps, "publicUrl">): Omit<InboxRequest, "body"> {
  const { method, headers } = c.req.raw;
  return { method, headers, url: targetUriOf(c, publicUrl()), address: remoteAddressOf(c) };
}
