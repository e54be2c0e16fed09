import { lookup as systemLookup } from "node:dns/promises";
import { isIP } from "node:net";
import { abortable, EgressError, egressRefused, shorten } from "./egress-error.ts";
import { isPublicAddress } from "./public-address.ts";

export interface ResolvedAddress {
  address: string;
  family: 4 | 6;
}

/** What may be reached. */
export interface TargetRules {
  /** Lets requests reach any address and port, by https or http: for tests and closed networks. */
  allowPrivateAddresses: boolean;
  ports: readonly number[];
  /** All addresses of a host name. */
  lookup: (hostname: string) => Promise<ResolvedAddress[]>;
}

/** Names that mean something on this machine or network only, whatever they resolve to. */
const localSuffixes = ["localhost", "local", "internal", "home.arpa", "onion"];

const howToAllow = "On a closed network the operator can set ALLOW_PRIVATE_ADDRESSES=on.";

/** The URL to ask, or `egress-refused`: scheme, credentials, host name and port are looked at here. */
export function checkedUrl(target: string | URL, base: URL | undefined, rules: TargetRules): URL {
  const url = URL.canParse(String(target), base?.href) ? new URL(target, base) : undefined;
  if (url === undefined) {
    throw egressRefused(
      `${shorten(String(target))} is not an absolute URL. Name one, such as https://example.org/path.`,
    );
  }
  url.hash = "";
  if (url.username !== "" || url.password !== "") {
    throw egressRefused(`The URL of ${url.host} holds a user name or password. Remove it: no credentials are sent.`);
  }
  if (rules.allowPrivateAddresses) {
    if (url.protocol !== "https:" && url.protocol !== "http:") {
      throw egressRefused(`${shorten(url.href)} has the scheme "${url.protocol}"; only https and http are fetched.`);
    }
    return url;
  }
  if (url.protocol !== "https:") {
    throw egressRefused(`${shorten(url.href)} has the scheme "${url.protocol}"; only https is fetched. ${howToAllow}`);
  }
  const port = url.port === "" ? 443 : Number(url.port);
  if (!rules.ports.includes(port)) {
    throw egressRefused(`${url.host} names port ${port}; reachable are: ${rules.ports.join(", ")}. ${howToAllow}`);
  }
  const hostname = url.hostname.replace(/\.$/, "");
  const isLocalName = localSuffixes.some((suffix) => hostname === suffix || hostname.endsWith(`.${suffix}`));
  if (isLocalName || (literalOf(url) === undefined && !hostname.includes("."))) {
    throw egressRefused(`${url.hostname} is a name of a local network, not of the Internet. ${howToAllow}`);
  }
  return url;
}

/** Refuses what leads away from the one address that may be fetched. */
export function requireOnly(url: URL, before: URL, only: ResolvedAddress & { port: number }): void {
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  const literal = literalOf(url);
  const isElsewhere = literal !== undefined && literal.address !== only.address;
  if (url.hostname !== before.hostname || port !== only.port || isElsewhere) {
    throw egressRefused(
      `${url.host} is not what was announced: only ${only.address}, port ${only.port}, may be fetched.`,
    );
  }
}

/** All addresses of the URL's host, each of them allowed; asked for once, and used as they are by the connection. */
export async function checkedAddresses(url: URL, signal: AbortSignal, rules: TargetRules): Promise<ResolvedAddress[]> {
  const literal = literalOf(url);
  const addresses = literal === undefined ? await resolve(url.hostname, signal, rules) : [literal];
  for (const { address } of addresses) {
    if (isIP(address) === 0) throw new EgressError("unreachable", `${url.hostname} resolves to what is no address.`);
    // One bad address refuses the name, and the message does not say which: it would chart the inner network.
    if (!rules.allowPrivateAddresses && !isPublicAddress(address)) {
      const fault = literal === undefined ? "does not have public addresses only" : "is not a public address";
      throw egressRefused(`${url.hostname} ${fault}. ${howToAllow}`);
    }
  }
  return addresses;
}

/** All addresses that the system's resolver knows of a name. */
export async function lookupAll(hostname: string): Promise<ResolvedAddress[]> {
  const found = await systemLookup(hostname, { all: true, order: "verbatim" });
  return found.map(({ address }) => ({ address, family: isIP(address) === 6 ? 6 : 4 }));
}

async function resolve(hostname: string, signal: AbortSignal, rules: TargetRules): Promise<ResolvedAddress[]> {
  let addresses: ResolvedAddress[];
  try {
    addresses = await abortable(rules.lookup(hostname), signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new EgressError("unreachable", `The name ${hostname} cannot be resolved.`, { cause });
  }
  if (addresses.length === 0) throw new EgressError("unreachable", `The name ${hostname} has no address.`);
  return addresses;
}

/** The address that the URL itself names, if it names no host; `new URL` has brought its many spellings into one. */
function literalOf(url: URL): ResolvedAddress | undefined {
  const address = url.hostname.replace(/^\[|\]$/g, "");
  const version = isIP(address);
  return version === 0 ? undefined : { address, family: version === 6 ? 6 : 4 };
}
