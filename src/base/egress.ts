import { lookup as systemLookup } from "node:dns/promises";
import { isIP, type LookupFunction, type Socket } from "node:net";
import { buildConnector, Client, errors, type Dispatcher } from "undici";
import { limits } from "./limits.ts";
import { Problem } from "./problem.ts";
import { isPublicAddress } from "./public-address.ts";

/** An answer, read to its end. */
export interface EgressResponse {
  /** Any status but a redirect; 404 and 500 are answers, too. */
  status: number;
  headers: Headers;
  body: Uint8Array;
  /** Where the answer came from, after redirects. */
  url: string;
}

export interface EgressRequest {
  /** The Accept header; any type if left out. */
  accept?: string;
  /** Further headers. They are not sent on when a redirect leads to another origin. */
  headers?: Record<string, string>;
  /** Aborts the request: `get` then rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Fetches from this address and port and from nowhere else, public or not, by https or http: what was announced on
   * the local network. The URL may name the host as it likes; it is not looked up. A redirect to another host or port
   * is refused.
   */
  only?: ResolvedAddress & { port: number };
}

/** The only outgoing HTTP client. */
export interface Egress {
  /**
   * Fetches `url` and follows redirects. Name, address and port of every hop are checked before anything connects, and
   * the connection goes to the very addresses that were checked, so a name that resolves differently a moment later
   * gains nothing.
   *
   * Throws `egress-refused` (a Problem, final) for what must not be fetched, and EgressError for what was allowed and
   * failed.
   */
  get(url: string | URL, request?: EgressRequest): Promise<EgressResponse>;
  /** Ends what is under way; further requests fail. */
  close(): Promise<void>;
}

export interface ResolvedAddress {
  address: string;
  family: 4 | 6;
}

export interface EgressOptions {
  /** Lets requests reach any address and port, by https or http: for tests and closed networks. */
  allowPrivateAddresses: boolean;
  /** Ports that may be reached (default: 443). */
  ports?: readonly number[];
  /** All addresses of a host name; by default what the system's resolver says. */
  lookup?: (hostname: string) => Promise<ResolvedAddress[]>;
  /** Milliseconds for the whole request: resolving, redirects and body (default: `limits.egressMsMax`). */
  msMax?: number;
  /** Bytes of the answer's body (default: `limits.egressBytesMax`). */
  bytesMax?: number;
  /** Redirects followed (default: `limits.egressRedirectsMax`). */
  redirectsMax?: number;
}

/** For tests only. Neither part takes a check away; both act after all checks have passed. */
export interface EgressTestSeam {
  /** Where to connect in place of an address that was found public, so that a loopback server can play its part. */
  dial?: (checked: ResolvedAddress) => ResolvedAddress;
  /** The PEM certificate authority to trust in place of the system's. */
  ca?: string;
}

export type EgressErrorKind = "unreachable" | "timeout" | "too-large" | "too-many-redirects" | "bad-response";

/** A fetch that was allowed and failed. `unreachable` and `timeout` may pass; the other kinds are the server's doing. */
export class EgressError extends Error {
  readonly kind: EgressErrorKind;

  constructor(kind: EgressErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "EgressError";
    this.kind = kind;
  }
}

/** Headers that this client sets itself, or that would lend somebody's authority to a request. */
const headersRefused: ReadonlySet<string> = new Set([
  "accept-encoding",
  "authorization",
  "connection",
  "content-length",
  "cookie",
  "host",
  "keep-alive",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Names that mean something on this machine or network only, whatever they resolve to. */
const localSuffixes = ["localhost", "local", "internal", "home.arpa", "onion"];

/** How many of a name's addresses are tried; all are checked. */
const addressesTriedMax = 4;

/** How long one of several addresses may take to answer before the next is tried too (RFC 8305 §5), milliseconds. */
const connectAttemptMs = 1_000;

const headerBytesMax = 16 * 1024;

/**
 * Makes an HTTP client for addresses that strangers name: https on `ports` to public addresses only, no credentials
 * or cookies, capped in time, bytes and redirects.
 *
 * It asks for the identity encoding and takes an encoded answer for a bad one: what is never decompressed cannot
 * explode. Each hop has a connection of its own that ends with it, so no later request can reuse one whose address
 * was checked long ago.
 */
export function createEgress(options: EgressOptions, testSeam: EgressTestSeam = {}): Egress {
  const settings: Settings = {
    allowPrivateAddresses: options.allowPrivateAddresses,
    ports: options.ports ?? [443],
    lookup: options.lookup ?? lookupAll,
    msMax: options.msMax ?? limits.egressMsMax,
    bytesMax: options.bytesMax ?? limits.egressBytesMax,
    redirectsMax: options.redirectsMax ?? limits.egressRedirectsMax,
    testSeam,
  };
  const closing = new AbortController();
  const underWay = new Set<Promise<unknown>>();

  return {
    async get(url, request = {}) {
      const headers = requestHeaders(request);
      const timeout = new AbortController();
      const timer = setTimeout(() => {
        timeout.abort(new EgressError("timeout", `${hostOf(url)} did not answer within ${settings.msMax} ms.`));
      }, settings.msMax);
      const signals = [closing.signal, timeout.signal, ...(request.signal === undefined ? [] : [request.signal])];
      const { only } = request;
      // What was announced is the one address that the host has.
      const within =
        only === undefined ? settings : { ...settings, allowPrivateAddresses: true, lookup: async () => [only] };
      const fetched = follow(url, headers, AbortSignal.any(signals), within, only);
      underWay.add(fetched);
      try {
        return await fetched;
      } finally {
        clearTimeout(timer);
        underWay.delete(fetched);
      }
    },
    async close() {
      closing.abort(new EgressError("unreachable", "The HTTP client was closed."));
      await Promise.allSettled(underWay);
    },
  };
}

interface Settings extends Required<EgressOptions> {
  testSeam: EgressTestSeam;
}

async function follow(
  start: string | URL,
  headers: Record<string, string>,
  signal: AbortSignal,
  settings: Settings,
  only?: EgressRequest["only"],
): Promise<EgressResponse> {
  let url = checkedUrl(start, undefined, settings);
  if (only !== undefined) requireOnly(url, url, only);
  let hopHeaders = headers;
  for (let redirects = 0; ; redirects += 1) {
    signal.throwIfAborted();
    const addresses = await checkedAddresses(url, signal, settings);
    const answer = await fetchHop(url, addresses, hopHeaders, signal, settings);
    if (!("location" in answer)) return answer;
    if (redirects >= settings.redirectsMax) {
      throw new EgressError(
        "too-many-redirects",
        `${hostOf(start)} redirects more than ${settings.redirectsMax} times.`,
      );
    }
    const next = checkedUrl(answer.location, url, settings);
    if (only !== undefined) requireOnly(next, url, only);
    if (next.origin !== url.origin) hopHeaders = { accept: headers["accept"] ?? "*/*" };
    url = next;
  }
}

/** The URL to fetch, or `egress-refused`: scheme, credentials, host name and port are looked at here. */
function checkedUrl(target: string | URL, base: URL | undefined, settings: Settings): URL {
  const url = URL.canParse(String(target), base?.href) ? new URL(target, base) : undefined;
  if (url === undefined) {
    throw refused(`${shorten(String(target))} is not an absolute URL. Name one, such as https://example.org/path.`);
  }
  url.hash = "";
  if (url.username !== "" || url.password !== "") {
    throw refused(`The URL of ${url.host} holds a user name or password. Remove it: no credentials are sent.`);
  }
  if (settings.allowPrivateAddresses) {
    if (url.protocol !== "https:" && url.protocol !== "http:") {
      throw refused(`${shorten(url.href)} has the scheme "${url.protocol}"; only https and http are fetched.`);
    }
    return url;
  }
  if (url.protocol !== "https:") {
    throw refused(`${shorten(url.href)} has the scheme "${url.protocol}"; only https is fetched. ${howToAllow}`);
  }
  const port = url.port === "" ? 443 : Number(url.port);
  if (!settings.ports.includes(port)) {
    throw refused(`${url.host} names port ${port}; reachable are: ${settings.ports.join(", ")}. ${howToAllow}`);
  }
  const hostname = url.hostname.replace(/\.$/, "");
  const isLocalName = localSuffixes.some((suffix) => hostname === suffix || hostname.endsWith(`.${suffix}`));
  if (isLocalName || (literalOf(url) === undefined && !hostname.includes("."))) {
    throw refused(`${url.hostname} is a name of a local network, not of the Internet. ${howToAllow}`);
  }
  return url;
}

/** Refuses what leads away from the one address that may be fetched. */
function requireOnly(url: URL, before: URL, only: ResolvedAddress & { port: number }): void {
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  const literal = literalOf(url);
  const isElsewhere = literal !== undefined && literal.address !== only.address;
  if (url.hostname !== before.hostname || port !== only.port || isElsewhere) {
    throw refused(`${url.host} is not what was announced: only ${only.address}, port ${only.port}, may be fetched.`);
  }
}

const howToAllow = "On a closed network the operator can set ALLOW_PRIVATE_ADDRESSES=on.";

/** All addresses of the URL's host, each of them allowed; asked for once, and used as they are by the connection. */
async function checkedAddresses(url: URL, signal: AbortSignal, settings: Settings): Promise<ResolvedAddress[]> {
  const literal = literalOf(url);
  const addresses = literal === undefined ? await resolve(url.hostname, signal, settings) : [literal];
  for (const { address } of addresses) {
    if (isIP(address) === 0) throw new EgressError("unreachable", `${url.hostname} resolves to what is no address.`);
    // One bad address refuses the name, and the message does not say which: it would chart the inner network.
    if (!settings.allowPrivateAddresses && !isPublicAddress(address)) {
      const fault = literal === undefined ? "does not have public addresses only" : "is not a public address";
      throw refused(`${url.hostname} ${fault}. ${howToAllow}`);
    }
  }
  return addresses;
}

async function resolve(hostname: string, signal: AbortSignal, settings: Settings): Promise<ResolvedAddress[]> {
  let addresses: ResolvedAddress[];
  try {
    addresses = await abortable(settings.lookup(hostname), signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new EgressError("unreachable", `The name ${hostname} cannot be resolved.`, { cause });
  }
  if (addresses.length === 0) throw new EgressError("unreachable", `The name ${hostname} has no address.`);
  return addresses;
}

async function lookupAll(hostname: string): Promise<ResolvedAddress[]> {
  const found = await systemLookup(hostname, { all: true, order: "verbatim" });
  return found.map(({ address }) => ({ address, family: isIP(address) === 6 ? 6 : 4 }));
}

/** The address that the URL itself names, if it names no host; `new URL` has brought its many spellings into one. */
function literalOf(url: URL): ResolvedAddress | undefined {
  const address = url.hostname.replace(/^\[|\]$/g, "");
  const version = isIP(address);
  return version === 0 ? undefined : { address, family: version === 6 ? 6 : 4 };
}

/** One request over one new connection. A redirect's body is not read. */
async function fetchHop(
  url: URL,
  addresses: ResolvedAddress[],
  headers: Record<string, string>,
  signal: AbortSignal,
  settings: Settings,
): Promise<EgressResponse | { location: string }> {
  const { dial, ca } = settings.testSeam;
  const dialled = addresses.slice(0, addressesTriedMax).map((address) => dial?.(address) ?? address);
  const connector = buildConnector({
    allowH2: false,
    timeout: settings.msMax,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: connectAttemptMs,
    lookup: pinnedLookup(dialled),
    ...(ca === undefined ? {} : { ca }),
  });
  const client = new Client(url.origin, {
    allowH2: false,
    pipelining: 0,
    maxHeaderSize: headerBytesMax,
    headersTimeout: settings.msMax,
    bodyTimeout: settings.msMax,
    connect(options, callback) {
      const socket = connector(options, callback) as unknown as Socket;
      signal.addEventListener("abort", () => socket.destroy(signal.reason as Error), { once: true });
    },
  });
  try {
    const answer = await client.request({
      method: "GET",
      path: url.pathname + url.search,
      headers: { "user-agent": "thingstead", ...headers, "accept-encoding": "identity" },
      signal,
    });
    // Without a listener, an error that comes while the body is being given up would end the process.
    answer.body.on("error", () => {});
    const answerHeaders = headersOf(answer.headers, url);
    if (redirectStatuses.has(answer.statusCode)) {
      const location = answerHeaders.get("location");
      if (location === null) throw new EgressError("bad-response", `${url.host} redirects to nowhere.`);
      return { location };
    }
    const body = await readBody(answer.body, answerHeaders, url, settings.bytesMax);
    return { status: answer.statusCode, headers: answerHeaders, body, url: url.href };
  } catch (error) {
    throw signal.aborted ? signal.reason : asEgressError(error, url);
  } finally {
    await client.destroy();
  }
}

/** A lookup for sockets that knows only `addresses`, whatever the name. */
function pinnedLookup(addresses: ResolvedAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    const [first] = addresses;
    if (first === undefined) callback(new Error("no address was pinned"), "");
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  };
}

async function readBody(
  stream: Dispatcher.ResponseData["body"],
  headers: Headers,
  url: URL,
  bytesMax: number,
): Promise<Uint8Array> {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding !== "" && encoding !== "identity") {
    throw new EgressError("bad-response", `${url.host} answers in the encoding "${shorten(encoding)}" unasked.`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (Number(headers.get("content-length") ?? 0) > bytesMax) throw tooLarge(url, bytesMax);
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(url, bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

function tooLarge(url: URL, bytesMax: number): EgressError {
  return new EgressError("too-large", `The answer of ${url.host} has more than ${bytesMax} bytes.`);
}

function headersOf(raw: Record<string, string | string[] | undefined>, url: URL): Headers {
  const headers = new Headers();
  try {
    for (const [name, values] of Object.entries(raw)) {
      for (const value of [values ?? []].flat()) headers.append(name, value);
    }
  } catch (cause) {
    throw new EgressError("bad-response", `${url.host} answers with headers that are not HTTP's.`, { cause });
  }
  return headers;
}

function requestHeaders(request: EgressRequest): Record<string, string> {
  const headers: Record<string, string> = { accept: "*/*" };
  const ofCaller = { ...request.headers, ...(request.accept === undefined ? {} : { accept: request.accept }) };
  for (const [name, value] of Object.entries(ofCaller)) {
    const lowerName = name.toLowerCase();
    if (headersRefused.has(lowerName)) throw new TypeError(`egress never sends the header ${name} for its caller`);
    headers[lowerName] = value;
  }
  return headers;
}

function asEgressError(error: unknown, url: URL): EgressError {
  if (error instanceof EgressError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (/TIMEOUT|TIMEDOUT/.test(code)) {
    return new EgressError("timeout", `${url.host} did not answer in time.`, { cause: error });
  }
  if (error instanceof errors.HTTPParserError || /^UND_ERR_(HEADERS_OVERFLOW|RES_|RESPONSE)/.test(code)) {
    return new EgressError("bad-response", `${url.host} answers with what is not HTTP.`, { cause: error });
  }
  return new EgressError("unreachable", `${url.host} cannot be reached.`, { cause: error });
}

/** `work`, or the signal's reason as soon as it is aborted; `work` then ends unobserved. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function refused(detail: string): Problem {
  return new Problem("egress-refused", detail);
}

function hostOf(url: string | URL): string {
  return URL.canParse(String(url)) ? new URL(url).host : shorten(String(url));
}

/** Text from outside, cut to what a message can bear. */
function shorten(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
