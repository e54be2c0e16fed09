import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/**
 * IPv6 space that IANA hands out for the public Internet. Outside it there are only special purposes, some of which
 * carry an IPv4 address on to where the operator did not mean to go (`::127.0.0.1`, `64:ff9b::10.0.0.1`).
 */
const globalUnicastIpv6 = ipaddr.IPv6.parseCIDR("2000::/3");

/** Addresses that look public and belong to the machinery of a cloud: each answers only from inside it. */
const cloudInternal: ReadonlySet<string> = new Set(["168.63.129.16"]);

/**
 * Whether `address` is one that anybody on the Internet may reach: global unicast and nothing else. False for
 * private, loopback, link-local, shared (RFC 6598), multicast, documentation, benchmarking, reserved and transition
 * addresses (mapped, NAT64, 6to4, Teredo), for addresses with a zone, and for what is not an address in the form that
 * resolvers and URLs give it (IANA special-purpose registries, RFC 6890).
 *
 * A NAT64 prefix that a network chose for itself (RFC 6052 §2.2) cannot be told from any other public address.
 */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 0 || address.includes("%")) return false;
  if (version === 4) {
    const parsed = ipaddr.IPv4.parse(address);
    return parsed.range() === "unicast" && !cloudInternal.has(parsed.toString());
  }
  const parsed = ipaddr.IPv6.parse(address);
  return parsed.range() === "unicast" && parsed.match(globalUnicastIpv6);
}
