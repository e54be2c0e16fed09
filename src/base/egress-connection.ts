import type { LookupFunction, Socket } from "node:net";
import { buildConnector, type Dispatcher, errors, Pool } from "undici";
import { abortable, EgressError, shorten } from "./egress-error.ts";
import type { ResolvedAddress } from "./egress-target.ts";

/** For tests only. Neither part takes a check away; both act after all checks have passed. */
export interface EgressTestSeam {
  /** Where to connect in place of an address that was found public, so that a loopback server can play its part. */
  dial?: (checked: ResolvedAddress) => ResolvedAddress;
  /** The PEM certificate authority to trust in place of the system's. */
  ca?: string;
}

/** Leads to one origin, at addresses that were checked. */
export interface Connection {
  /** Sends one request and reads the answer to its end. Throws EgressError, or the signal's reason. */
  exchange(url: URL, request: Exchange, signal: AbortSignal): Promise<Answer>;
  /** Breaks off what is under way. */
  end(): Promise<void>;
  /** Waits for what is under way. */
  finish(): Promise<void>;
}

export interface Exchange {
  method: "GET" | "POST";
  headers: Record<string, string>;
  body: Uint8Array | null;
  /** Bytes of the answer. */
  bytesMax: number;
  /** Whether a redirect is an answer like others. If not, its body is not read. */
  redirectIsAnswer: boolean;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Uint8Array;
}

export const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** How many of a name's addresses are tried; all are checked. */
const addressesTriedMax = 4;

/** How long one of several addresses may take to answer before the next is tried too (RFC 8305 §5), milliseconds. */
const connectAttemptMs = 1_000;

const headerBytesMax = 16 * 1024;

/**
 * Opens a way to `origin` at `addresses` and nowhere else, whatever its name resolves to by then. `connectionsMax` of
 * them are open at once; null: one, for one request. `signal` breaks off connections that are still being made.
 */
export function openConnection(
  origin: string,
  addresses: ResolvedAddress[],
  { connectionsMax, msMax, signal, testSeam }: ConnectionOptions,
): Connection {
  const { dial, ca } = testSeam;
  const dialled = addresses.slice(0, addressesTriedMax).map((address) => dial?.(address) ?? address);
  const connector = buildConnector({
    allowH2: false,
    timeout: msMax,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: connectAttemptMs,
    lookup: pinnedLookup(dialled),
    ...(ca === undefined ? {} : { ca }),
  });
  const pool = new Pool(origin, {
    allowH2: false,
    connections: connectionsMax ?? 1,
    // 0 asks for the connection to end with its request.
    pipelining: connectionsMax === null ? 0 : 1,
    maxHeaderSize: headerBytesMax,
    headersTimeout: msMax,
    bodyTimeout: msMax,
    connect(options, callback) {
      const socket = connector(options, callback) as unknown as Socket;
      const abort = (): void => void socket.destroy(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      socket.once("close", () => signal.removeEventListener("abort", abort));
    },
  });
  return {
    exchange: (url, request, requestSignal) => exchange(pool, url, request, requestSignal),
    end: () => pool.destroy(),
    finish: () => pool.close(),
  };
}

export interface ConnectionOptions {
  connectionsMax: number | null;
  msMax: number;
  signal: AbortSignal;
  testSeam: EgressTestSeam;
}

async function exchange(pool: Pool, url: URL, request: Exchange, signal: AbortSignal): Promise<Answer> {
  try {
    const sent = pool.request({
      method: request.method,
      path: url.pathname + url.search,
      headers: { "user-agent": "thingstead", ...request.headers, "accept-encoding": "identity" },
      body: request.body,
      signal,
    });
    // The client itself listens to the signal only once it is connected.
    const answer = await abortable(sent, signal);
    // Without a listener, an error that comes while the body is being given up would end the process.
    answer.body.on("error", () => {});
    const headers = headersOf(answer.headers, url);
    if (redirectStatuses.has(answer.statusCode) && !request.redirectIsAnswer) {
      answer.body.destroy();
      return { status: answer.statusCode, headers, body: new Uint8Array() };
    }
    const body = await readBody(answer.body, headers, url, request.bytesMax);
    return { status: answer.statusCode, headers, body };
  } catch (error) {
    throw signal.aborted ? signal.reason : asEgressError(error, url);
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
  try {
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
  } finally {
    // What is not read must not hold a connection that others share.
    stream.destroy();
  }
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
