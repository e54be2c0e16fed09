import { isIPv4 } from "node:net";
import type { LanInterface } from "./interfaces.ts";

/** What a TXT record says of a service (WoT Discovery §6.3.1); null for what it leaves out. */
export interface ServiceText {
  td: string | null;
  type: string | null;
  scheme: string | null;
  /** All of the record, so that a change of anything in it is seen. */
  raw: string;
}

/** What is not to be used, and why, in words for people. */
export interface Fault {
  fault: string;
}

/** What is known of a service so far; null for what was not heard yet. */
export interface Facts {
  location: { host: string; port: number } | null;
  text: ServiceText | Fault | null;
  address: { address: string } | Fault | null;
}

/** What to do about a service. */
export type Target =
  | { kind: "incomplete" }
  | { kind: "fetch"; type: ServiceType; url: string; address: string; port: number }
  | { kind: "not-fetched"; reason: string }
  | { kind: "refused"; reason: string };

export type ServiceType = "Thing" | "Directory";

/** Where the description is if the TXT record does not say: the well-known URI (WoT Discovery §6.2). */
const wellKnownPath = "/.well-known/wot";

/** The path of a URI (RFC 3986 §3.3) that names no authority: no `//` at its start, neither query nor fragment. */
const pathPattern = /^\/(?!\/)(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/;

/** A scheme (RFC 3986 §3.1) of the length that is in use. */
const schemePattern = /^[a-z][a-z0-9+.-]{0,19}$/;

/** A host name that a certificate can name. */
const hostPattern = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{1,63}$/i;

/** Where cloud machines learn their secrets. On networks without DHCP it is an address like others. */
const metadataAddress = "169.254.169.254";

/** The type that a service says it has; a Thing if it does not say (WoT Discovery §6.3.1). */
export function typeOf({ text }: Facts): ServiceType {
  return text !== null && !("fault" in text) && text.type?.toLowerCase() === "directory" ? "Directory" : "Thing";
}

/**
 * Decides what the facts of a service lead to. At most a fetch of one absolute path from one address and port, as
 * announced: whatever would lead elsewhere is refused. Pure.
 */
export function targetOf(facts: Facts): Target {
  const { location, text, address } = facts;
  if (text !== null && "fault" in text) return refused(text.fault);
  if (location !== null && (location.port < 1 || location.port > 65_535)) return refused("The port is 0.");
  if (address !== null && "fault" in address) return refused(address.fault);
  if (location === null || text === null || address === null) return { kind: "incomplete" };

  const scheme = text.scheme?.toLowerCase() ?? "http";
  if (!schemePattern.test(scheme)) return refused("`scheme` in the TXT record is none.");
  if (scheme !== "http" && scheme !== "https") {
    return {
      kind: "not-fetched",
      reason: `The description is to be had by ${scheme}; only http and https are spoken.`,
    };
  }
  const type = text.type?.toLowerCase() ?? "thing";
  if (type !== "thing" && type !== "directory") return refused("`type` in the TXT record is not Thing or Directory.");
  const path = text.td ?? wellKnownPath;
  if (!isAbsolutePath(path)) {
    return refused(
      "`td` in the TXT record is not an absolute path, such as /.well-known/wot: no query, no dot segments.",
    );
  }
  // Certificates name hosts. All else goes by the address, which clients can use that do not know names of the LAN.
  const host = scheme === "https" ? location.host.replace(/\.$/, "") : address.address;
  if (!hostPattern.test(host) && !isIPv4(host)) return refused("The host's name is not one that https can ask for.");
  const url = new URL(`${scheme}://${host}:${location.port}${path}`).href;
  return { kind: "fetch", type: typeOf(facts), url, address: address.address, port: location.port };
}

/** Whether `path` is absolute and stays itself when it is put into a URL: dot segments, encoded or not, would not. */
function isAbsolutePath(path: string): boolean {
  return pathPattern.test(path) && new URL(path, "http://host.local").pathname === path;
}

/** Where a record was heard. */
export interface Hearing {
  /** The address that the packet came from. */
  sender: string;
  link: Pick<LanInterface, "isOnLink">;
  /** Whether an address is one of this machine. */
  isOwn(address: string): boolean;
}

/**
 * The address that is to be used of those that were announced for a host, or why none of them is.
 *
 * It has to be on the network that the packet came from: then whoever announces it could as well be asked directly.
 * That lets proxies announce for their neighbours, and nobody for what lies beyond. What this machine serves may be
 * closed to the network by a firewall, so that only this machine itself announces it. Pure.
 */
export function usableAddress(
  addresses: readonly string[],
  { sender, link, isOwn }: Hearing,
): { address: string } | Fault {
  const onLink = addresses.filter((address) => link.isOnLink(address) && address !== metadataAddress);
  const usable = onLink.filter((one) => !isOwn(one) || isOwn(sender)).sort();
  // Always the same one, in whatever order they come.
  const address = usable.includes(sender) ? sender : usable[0];
  if (address !== undefined) return { address };
  return {
    fault:
      onLink.length > 0
        ? "The announced address is this machine's, and another machine announces it."
        : "The announced address is not on the network that it is announced on.",
  };
}

function refused(reason: string): Target {
  return { kind: "refused", reason };
}
