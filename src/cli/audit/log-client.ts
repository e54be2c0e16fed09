import { isJsonObject, type JsonBounds, type JsonObject, parseJson } from "../../base/json.ts";
import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";
import { Refusal, Unreachable } from "../failure.ts";

/** Milliseconds that a registry has for one answer. */
const answerMsMax = 30_000;

/** Milliseconds before a request is repeated that got no answer, or one that says to come later. */
const retryPausesMs = [500, 2_000];

/** Statuses that say to come later. */
const passingStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** A page of the log: ids may be long, and their characters escaped. */
const pageBounds: JsonBounds = {
  bytesMax: limits.logPageMax * 8 * 1024,
  depthMax: 4,
  nodesMax: limits.logPageMax * 8 + 16,
};

/** A document with what a registry adds to it. */
const documentBounds: JsonBounds = {
  bytesMax: limits.documentBytesMax + 16 * 1024,
  depthMax: limits.jsonDepthMax + 2,
  nodesMax: limits.jsonNodesMax + 1_000,
};

/** What a registry answers about an entry, or a version of it. */
export type Served = { status: "current" | "gone"; bytes: Uint8Array } | { status: "absent" };

/** A registry as an auditor sees it, over HTTP. Methods throw a Refusal with what the registry said, or Unreachable. */
export interface LogClient {
  /** The registry's URL, without a trailing slash. */
  readonly registry: string;
  readHead(): Promise<JsonObject>;
  /** A page of the log after entry number `after`, as it came. */
  readPage(after: number): Promise<JsonObject>;
  /** What answers at the entry's URL; `gone` is a tombstone. */
  readEntry(id: string, controller: string | null): Promise<Served>;
  /** The bytes of one version. */
  readVersion(id: string, controller: string | null, digest: string): Promise<Served>;
  /** What the registry itself says of an entry. */
  readRegistration(id: string, controller: string | null): Promise<JsonObject>;
}

export interface LogClientOptions {
  registry: string;
  token: string | null;
  /** Waits so many milliseconds. */
  pause(ms: number): Promise<unknown>;
}

/** Makes a client. The token is sent only where the registry asks for it. */
export function createLogClient({ registry, token, pause }: LogClientOptions): LogClient {
  let needsToken = false;

  async function get(path: string, accept: string): Promise<Response> {
    const response = await getPatiently(path, accept);
    if (response.status !== 401 || token === null || needsToken) return response;
    await response.body?.cancel();
    needsToken = true;
    return getPatiently(path, accept);
  }

  /** Asks again where the next moment may bring another answer. */
  async function getPatiently(path: string, accept: string): Promise<Response> {
    for (const pauseMs of retryPausesMs) {
      const response = await getOnce(path, accept).catch(() => null);
      if (response !== null && !passingStatuses.has(response.status)) return response;
      await response?.body?.cancel();
      await pause(pauseMs);
    }
    return getOnce(path, accept);
  }

  async function getOnce(path: string, accept: string): Promise<Response> {
    const authorization = needsToken && token !== null ? { authorization: `Bearer ${token}` } : {};
    try {
      return await fetch(registry + path, {
        headers: { accept, ...authorization },
        signal: AbortSignal.timeout(answerMsMax),
      });
    } catch (cause) {
      throw new Unreachable(`Nothing answers at ${registry} (${reasonOf(cause)}). Name the registry with --registry.`, {
        cause,
      });
    }
  }

  async function getObject(path: string, bounds: JsonBounds): Promise<JsonObject> {
    const response = await get(path, "application/json");
    if (!response.ok) throw await refusalOf(response);
    try {
      const { value } = parseJson(await readBody(response, bounds.bytesMax), bounds);
      if (isJsonObject(value)) return value;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      throw new Refusal(`${response.url} did not answer as a Thingstead registry does: ${error.message}`);
    }
    throw new Refusal(`${response.url} did not answer with a JSON object: is it a Thingstead registry?`);
  }

  async function getServed(path: string): Promise<Served> {
    const response = await get(path, "application/td+json, */*;q=0.5");
    const gone = response.status === 410 && !isProblem(response);
    if (response.ok || gone) {
      return { status: gone ? "gone" : "current", bytes: await readBody(response, documentBounds.bytesMax) };
    }
    if (response.status !== 404) throw await refusalOf(response);
    await response.body?.cancel();
    return { status: "absent" };
  }

  return {
    registry,
    readHead: () => getObject("/log/head", documentBounds),
    readPage: (after) => getObject(`/log?after=${after}&limit=${limits.logPageMax}`, pageBounds),
    readEntry: (id, controller) => getServed(entryPath(id, controller)),
    readVersion: (id, controller, digest) => getServed(entryPath(id, controller, `/versions/${digest}`)),
    readRegistration: (id, controller) => getObject(entryPath(id, controller, "/registration"), documentBounds),
  };
}

/** `bytes` as a JSON object; null for what is none. */
export function documentOf(bytes: Uint8Array): JsonObject | null {
  try {
    const { value } = parseJson(bytes, documentBounds);
    return isJsonObject(value) ? value : null;
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

function entryPath(id: string, controller: string | null, suffix = ""): string {
  const query = controller === null ? "" : `?controller=${encodeURIComponent(controller)}`;
  return `/things/${encodeURIComponent(id)}${suffix}${query}`;
}

function isProblem(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("application/problem+json") ?? false;
}

/** An answer that was not asked for, in words. */
async function refusalOf(response: Response): Promise<Refusal> {
  const bytes = await readBody(response, documentBounds.bytesMax);
  const problem = isProblem(response) ? documentOf(bytes) : null;
  const detail = typeof problem?.["detail"] === "string" ? `: ${problem["detail"]}` : "";
  return new Refusal(`${response.url} answered ${response.status}${detail}`);
}

async function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) throw new Refusal(`The answer of ${response.url} has more than ${bytesMax} bytes.`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(`The answer of ${response.url} broke off (${reasonOf(error)}).`, { cause: error });
  }
  return Buffer.concat(chunks);
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") return `no answer within ${answerMsMax / 1000} s`;
  const cause = error instanceof Error ? error.cause : undefined;
  const { code } = (cause ?? {}) as { code?: unknown };
  if (typeof code === "string") return code;
  return cause instanceof Error ? cause.message : String(error);
}
