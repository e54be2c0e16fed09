import { isIPv4, isIPv6 } from "node:net";
import type { Context } from "hono";
import { isPublicAddress } from "../base/public-address.ts";

/** What the server knows of a connection, as `@hono/node-server` passes it on; nothing where the app itself is asked. */
interface NodeBindings {
  incoming?: { socket?: { remoteAddress?: string | undefined } };
  outgoing?: { destroy(): unknown };
}

/** The address at the other end of the connection; null where there is none. */
export function remoteAddressOf(c: Context): string | null {
  return bindingsOf(c).incoming?.socket?.remoteAddress ?? null;
}

/** Cuts the connection, whatever has not been sent yet. */
export function cutConnection(c: Context): void {
  bindingsOf(c).outgoing?.destroy();
}

/**
 * The network that `address` counts for where places are limited by address: an IPv4 address, or the 64 bits of an
 * IPv6 network, in which one client has as many addresses as it likes. Null for addresses that are not public: behind
 * a reverse proxy, everybody has the proxy's.
 */
export function networkOf(address: string | null): string | null {
  const plain = address?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "";
  if (!isPublicAddress(plain)) return null;
  if (isIPv4(plain)) return plain;
  return isIPv6(plain) ? ipv6NetworkOf(plain) : null;
}

/** The first four groups of an address whose `::`, if it has one, is written out. */
function ipv6NetworkOf(address: string): string {
  const [head = "", tail = ""] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? Array<string>(8 - before.length - after.length).fill("0") : [];
  const groups = [...before, ...zeros, ...after].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}

function bindingsOf(c: Context): NodeBindings {
  return (c.env ?? {}) as NodeBindings;
}
