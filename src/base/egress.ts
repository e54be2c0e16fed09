import {
  type Answer,
  type EgressTestSeam,
  type Exchange,
  openConnection,
  redirectStatuses,
} from "./egress-connection.ts";
import { EgressError, hostOf } from "./egress-error.ts";
import { type ConnectionSession, createConnectionSession } from "./egress-session.ts";
import {
  checkedAddresses,
  checkedUrl,
  lookupAll,
  requireOnly,
  type ResolvedAddress,
  type TargetRules,
} from "./egress-target.ts";
import { limits } from "./limits.ts";

export type { EgressTestSeam } from "./egress-connection.ts";
export { EgressError, type EgressErrorKind } from "./egress-error.ts";
export type { ResolvedAddress } from "./egress-target.ts";

/** An answer, read to its end. */
export interface EgressResponse {
  /** Any status; 404 and 500 are answers, too. A redirect only where it was not to be followed. */
  status: number;
  headers: Headers;
  body: Uint8Array;
  /** Where the answer came from, after redirects. */
  url: string;
}

interface AnyRequest {
  /**
   * Further headers. They are not sent on when a redirect leads to another origin. `host` is always that of the URL:
   * who signs it has to sign that.
   */
  headers?: Record<string, string>;
  /** Aborts the request, which then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Bytes of the answer's body, in place of what the client was made for. */
  bytesMax?: number;
  /** Sends the request over a connection of this session, of the same client. */
  session?: EgressSession;
}

export interface EgressRequest extends AnyRequest {
  /** The Accept header; any type if left out. */
  accept?: string;
  /**
   * Fetches from this address and port and from nowhere else, public or not, by https or http: what was announced on
   * the local network. The URL may name the host as it likes; it is not looked up. A redirect to another host or port
   * is refused. Not within a session.
   */
  only?: ResolvedAddress & { port: number };
}

export interface EgressPost extends AnyRequest {
  body: Uint8Array;
}

/** The only outgoing HTTP client, as those use it who only fetch. */
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

/** The outgoing HTTP client, as those use it who send something as well. */
export interface PostingEgress extends Egress {
  /** Sends `body` to `url`, with the checks of `get`, and follows no redirect: that is the answer then. Throws alike. */
  post(url: string | URL, request: EgressPost): Promise<EgressResponse>;
  /** Opens a session for a burst of requests. */
  session(): EgressSession;
}

/**
 * Keeps connections open for a burst of requests. Of each origin, the name is resolved and checked with the session's
 * first request to it, and again after 30 seconds: no request goes to an address that was checked longer
 * ago.
 */
export interface EgressSession extends AsyncDisposable {
  /** Ends its connections, and what is under way. */
  close(): Promise<void>;
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
  /** Milliseconds for which a session uses an address that was checked (default: 30 seconds). */
  sessionMsMax?: number;
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

const sessionMsDefault = 30_000;

/**
 * Makes an HTTP client for addresses that strangers name: https on `ports` to public addresses only, no credentials
 * or cookies, capped in time, bytes and redirects.
 *
 * It asks for the identity encoding and takes an encoded answer for a bad one: what is never decompressed cannot
 * explode. Outside of a session, each hop has a connection of its own that ends with it, so no later request can reuse
 * one whose address was checked long ago.
 */
export function createEgress(options: EgressOptions, testSeam: EgressTestSeam = {}): PostingEgress {
  const settings: Settings = {
    allowPrivateAddresses: options.allowPrivateAddresses,
    ports: options.ports ?? [443],
    lookup: options.lookup ?? lookupAll,
    msMax: options.msMax ?? limits.egressMsMax,
    bytesMax: options.bytesMax ?? limits.egressBytesMax,
    redirectsMax: options.redirectsMax ?? limits.egressRedirectsMax,
    sessionMsMax: options.sessionMsMax ?? sessionMsDefault,
    testSeam,
  };
  const closing = new AbortController();
  const underWay = new Set<Promise<unknown>>();
  const sessions = new Map<EgressSession, ConnectionSession>();

  /** Does `work` within the time that a request may take, and until the client is closed. */
  async function inTime<T>(
    url: string | URL,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const timeout = new AbortController();
    const timer = setTimeout(() => {
      timeout.abort(new EgressError("timeout", `${hostOf(url)} did not answer within ${settings.msMax} ms.`));
    }, settings.msMax);
    const working = work(AbortSignal.any([closing.signal, timeout.signal, ...(signal === undefined ? [] : [signal])]));
    underWay.add(working);
    try {
      return await working;
    } finally {
      clearTimeout(timer);
      underWay.delete(working);
    }
  }

  function waysOf({ session }: AnyRequest, rules: Settings): Ways {
    if (session === undefined) return { send: (url, request, signal) => sendAlone(url, request, signal, rules) };
    const known = sessions.get(session);
    if (known === undefined) throw new EgressError("unreachable", "The session was closed.");
    return known;
  }

  return {
    async get(url, request = {}) {
      const { only, accept } = request;
      if (only !== undefined && request.session !== undefined) throw new TypeError("a session has no `only`");
      const headers = requestHeaders({ ...request.headers, ...(accept === undefined ? {} : { accept }) });
      // What was announced is the one address that the host has.
      const rules =
        only === undefined ? settings : { ...settings, allowPrivateAddresses: true, lookup: async () => [only] };
      const bytesMax = request.bytesMax ?? settings.bytesMax;
      return inTime(url, request.signal, (signal) =>
        follow(url, { headers, bytesMax, only }, waysOf(request, rules), signal, rules),
      );
    },
    async post(url, request) {
      const headers = requestHeaders(request.headers ?? {});
      const { body, bytesMax = settings.bytesMax } = request;
      return inTime(url, request.signal, async (signal) => {
        const target = checkedUrl(url, undefined, settings);
        signal.throwIfAborted();
        const exchange = { method: "POST" as const, headers, body, bytesMax, redirectIsAnswer: true };
        return { ...(await waysOf(request, settings).send(target, exchange, signal)), url: target.href };
      });
    },
    session() {
      const within = createConnectionSession(settings, closing.signal);
      const close = async (): Promise<void> => {
        sessions.delete(session);
        await within.end();
      };
      const session: EgressSession = { close, [Symbol.asyncDispose]: close };
      sessions.set(session, within);
      return session;
    },
    async close() {
      closing.abort(new EgressError("unreachable", "The HTTP client was closed."));
      await Promise.allSettled([...underWay, ...[...sessions.keys()].map((session) => session.close())]);
    },
  };
}

interface Settings extends TargetRules {
  msMax: number;
  bytesMax: number;
  redirectsMax: number;
  sessionMsMax: number;
  testSeam: EgressTestSeam;
}

/** How a request gets to a URL that may be asked, once the addresses have been found to be allowed. */
type Ways = Pick<ConnectionSession, "send">;

async function follow(
  start: string | URL,
  { headers, bytesMax, only }: { headers: Record<string, string>; bytesMax: number; only: EgressRequest["only"] },
  ways: Ways,
  signal: AbortSignal,
  settings: Settings,
): Promise<EgressResponse> {
  let url = checkedUrl(start, undefined, settings);
  if (only !== undefined) requireOnly(url, url, only);
  let hopHeaders = headers;
  for (let redirects = 0; ; redirects += 1) {
    signal.throwIfAborted();
    const request = { method: "GET" as const, headers: hopHeaders, body: null, bytesMax, redirectIsAnswer: false };
    const answer = await ways.send(url, request, signal);
    if (!redirectStatuses.has(answer.status)) return { ...answer, url: url.href };
    const location = answer.headers.get("location");
    if (location === null) throw new EgressError("bad-response", `${url.host} redirects to nowhere.`);
    if (redirects >= settings.redirectsMax) {
      throw new EgressError(
        "too-many-redirects",
        `${hostOf(start)} redirects more than ${settings.redirectsMax} times.`,
      );
    }
    const next = checkedUrl(location, url, settings);
    if (only !== undefined) requireOnly(next, url, only);
    if (next.origin !== url.origin) hopHeaders = { accept: headers["accept"] ?? "*/*" };
    url = next;
  }
}

/** One request over one new connection. */
async function sendAlone(url: URL, request: Exchange, signal: AbortSignal, settings: Settings): Promise<Answer> {
  const addresses = await checkedAddresses(url, signal, settings);
  const connection = openConnection(url.origin, addresses, { ...settings, connectionsMax: null, signal });
  try {
    return await connection.exchange(url, request, signal);
  } finally {
    await connection.end();
  }
}

function requestHeaders(ofCaller: Record<string, string>): Record<string, string> {
  const headers: Record<string, string> = { accept: "*/*" };
  for (const [name, value] of Object.entries(ofCaller)) {
    const lowerName = name.toLowerCase();
    if (headersRefused.has(lowerName)) throw new TypeError(`egress never sends the header ${name} for its caller`);
    headers[lowerName] = value;
  }
  return headers;
}
