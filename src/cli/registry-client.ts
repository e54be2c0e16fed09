import { randomUUID } from "node:crypto";
import { systemClock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { ValidationError } from "../base/problem.ts";
import { signRequest } from "../identity/http-signature.ts";
import type { SigningKey } from "../identity/keys.ts";
import { Refusal, Unreachable } from "./failure.ts";

/** Milliseconds that a registry has for one answer. */
const answerMsMax = 30_000;

/** Bytes of an answer that are read: a full page of search results with long texts. */
const answerBytesMax = 8 * 1024 * 1024;

/** What the registry says of an entry that it took in. */
export interface Written {
  /** Whether the entry was not there before. */
  created: boolean;
  id: string;
  href: string;
  repairs: ValidationError[];
}

/** A document as the registry, or any other server, keeps it. */
export interface FetchedDocument {
  bytes: Uint8Array;
  /** Whether it was answered as gone: then it is a Tombstone. */
  gone: boolean;
}

export interface SearchItem {
  score: number;
  id: string;
  title: string | null;
  description: string | null;
  types: string[];
  matched: { capability: string; name: string }[];
  controller: string | null;
  verified: boolean;
  verification: string;
  badges: string[];
  /** The entry, better known, that this one could be taken for. */
  lookalike: { id: string; controller: string | null; field: string } | null;
  origin: string | null;
  /** The registry that it came from has not been heard for long. */
  stale: boolean;
  /** Milliseconds in which it promises to answer. */
  latency: number | null;
  href: string;
  explanation?: SearchExplanation;
}

/** How a score came about. */
export interface SearchExplanation {
  engine: string;
  score: number;
  words: {
    word: string;
    forms: string[];
    score: number;
    rarity: number;
    impact: number;
    places: { field: string; affordance: string | null; weight: number }[];
  }[];
  rules?: { rule: string; score: number }[];
  lists?: { engine: string; rank: number; score: number }[];
}

/** Names of capabilities, and in how many entries they are. */
export interface CapabilitiesAnswer {
  items: { capability: string; count: number }[];
  next: string | null;
  /** No name starts with what was asked for: these are the nearest. */
  nearest: boolean;
}

export interface RelatedAnswer {
  capability: string;
  count: number;
  spellings: CapabilitiesAnswer["items"];
  similar: CapabilitiesAnswer["items"];
  together: CapabilitiesAnswer["items"];
  approximate: boolean;
}

export interface SearchAnswer {
  items: SearchItem[];
  next: string | null;
  /** Registries that were asked as well, where the search was for that. */
  peers?: { peer: string; state: string; items: number; dropped: number; milliseconds: number }[];
}

/** What an operator wants of a peer: entries with any of the terms, per facet. */
export interface PeerFilter {
  capability: string[];
  type: string[];
  lang: string[];
}

/** Another registry, as an operator sees it. */
export interface PeerFacts {
  id: string;
  actor: string;
  origin: string;
  handle: string | null;
  name: string | null;
  isRegistry: boolean;
  blocked: boolean;
  lastHeard: string | null;
  stale: boolean;
  follower: { state: string; lag: number | null; failures: number; lastError: string | null };
  following: { state: string; entries: number; refused: number; held: number; lastError: string | null };
}

/** What a comparison with a peer's list found. */
export interface PeerVerification {
  requests: number;
  fetched: number;
  refused: number;
  withdrawn: number;
  equal: boolean;
}

/** What can be done to a peer, beside following it. */
export type PeerAct = "unfollow" | "accept" | "reject" | "block" | "unblock";

/** An API token, as the registry tells of it. */
export interface TokenFacts {
  id: string;
  name: string;
  scope: string;
  created: string;
  expires: string | null;
  revoked: string | null;
}

/** The local network as a registry sees it. */
export interface LanAnswer {
  enabled: boolean;
  reason: string;
  interfaces: { name: string; address: string | null; announced: boolean; error: string | null }[];
  announced: { instance: string; type: string; td: string }[];
  services: {
    instance: string;
    type: string;
    address: string | null;
    port: number | null;
    state: string;
    ids: string[];
    title: string | null;
    error: string | null;
  }[];
}

/** A request that changes something. */
interface Change {
  method: "POST" | "PUT" | "DELETE";
  body?: { type: string; text: string };
  /** Signs the request (RFC 9421). */
  key?: SigningKey;
}

/** A registry, over HTTP. Methods throw a Refusal with what the registry said, or Unreachable. */
export interface RegistryClient {
  /** Registers a description without an id. */
  post(document: string): Promise<Written>;
  /** Registers or replaces a description, or retracts a thing with a Tombstone. */
  put(id: string, document: string, mediaType: "application/td+json" | "application/activity+json"): Promise<Written>;
  /** The current document of an entry; null if there is none. */
  find(id: string): Promise<FetchedDocument | null>;
  search(query: URLSearchParams): Promise<SearchAnswer>;
  capabilities(query: URLSearchParams): Promise<CapabilitiesAnswer>;
  relatedCapabilities(name: string): Promise<RelatedAnswer>;
  /** What it finds on its local network. */
  lan(): Promise<LanAnswer>;
  /** Renews an entry, signed by its controller's key; `ttlSeconds` null: for the ttl that it has. */
  renew(id: string, ttlSeconds: number | null, key: SigningKey): Promise<{ id: string; expires: string }>;
  /** Takes an entry out of the registry, signed by its controller's key. */
  unlist(id: string, key: SigningKey): Promise<void>;
  /** Chooses who finds an entry, signed by its controller's key. */
  chooseVisibility(id: string, visibility: string, key: SigningKey): Promise<{ id: string; href: string }>;
  createToken(fields: {
    name: string;
    scope: string;
    expires?: string;
    ttl?: number;
  }): Promise<TokenFacts & { token: string }>;
  listTokens(): Promise<TokenFacts[]>;
  revokeToken(id: string): Promise<void>;
  listPeers(): Promise<PeerFacts[]>;
  /** Follows a registry by its URL or handle; `filter` null: all that it has. */
  followPeer(target: string, filter: PeerFilter | null): Promise<PeerFacts>;
  changePeer(id: string, act: PeerAct): Promise<PeerFacts>;
  verifyPeer(id: string): Promise<PeerVerification>;
}

/** @param registry the registry's URL, without a trailing slash. */
export function createRegistryClient({ registry, token }: { registry: string; token: string | null }): RegistryClient {
  const authorization: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  const urlOf = (id: string) => `${registry}/things/${encodeURIComponent(id)}`;

  async function write(url: string, { method, body, key }: Change): Promise<Response> {
    const targetUri = new URL(url).href;
    const content: RequestInit = body === undefined ? {} : { body: body.text };
    const type: Record<string, string> = body === undefined ? {} : { "content-type": body.type };
    const now = { created: systemClock.now(), nonce: randomUUID() };
    const signature = key === undefined ? {} : signRequest({ method, targetUri, body: body?.text ?? "" }, key, now);
    const headers = { ...type, accept: "application/json", ...authorization, ...signature };
    const response = await send(registry, targetUri, { method, headers, ...content });
    if (!response.ok) throw await refusalOf(response);
    return response;
  }

  /** Reads without the token first: most registries do not ask for it, and it is not theirs to see. */
  async function read(url: string, accept: string): Promise<Response> {
    const response = await send(registry, url, { headers: { accept } });
    if (response.status !== 401 || token === null) return response;
    await response.body?.cancel();
    return send(registry, url, { headers: { accept, ...authorization } });
  }

  return {
    async post(document) {
      const body = { type: "application/td+json", text: document };
      return writtenOf(await write(`${registry}/things`, { method: "POST", body }));
    },

    async put(id, document, mediaType) {
      const response = await write(urlOf(id), { method: "PUT", body: { type: mediaType, text: document } });
      if (response.status === 201) return writtenOf(response);
      await response.body?.cancel();
      return { created: false, id, href: urlOf(id), repairs: [] };
    },

    async find(id) {
      return documentOf(await read(urlOf(id), "application/td+json, */*;q=0.5"));
    },

    async search(query) {
      const response = await read(`${registry}/search?${query}`, "application/json");
      if (!response.ok) throw await refusalOf(response);
      return (await jsonOf(response)) as SearchAnswer;
    },

    async capabilities(query) {
      const response = await read(`${registry}/capabilities?${query}`, "application/json");
      if (!response.ok) throw await refusalOf(response);
      return (await jsonOf(response)) as CapabilitiesAnswer;
    },

    async relatedCapabilities(name) {
      const response = await read(`${registry}/capabilities/${encodeURIComponent(name)}`, "application/json");
      if (!response.ok) throw await refusalOf(response);
      return (await jsonOf(response)) as RelatedAnswer;
    },

    async lan() {
      const response = await read(`${registry}/lan`, "application/json");
      if (!response.ok) throw await refusalOf(response);
      return (await jsonOf(response)) as LanAnswer;
    },

    async renew(id, ttlSeconds, key) {
      const body = jsonBody(ttlSeconds === null ? {} : { ttl: ttlSeconds });
      const response = await write(`${urlOf(id)}/heartbeat`, { method: "POST", body, key });
      return (await jsonOf(response)) as { id: string; expires: string };
    },

    async unlist(id, key) {
      await write(urlOf(id), { method: "DELETE", key });
    },

    async chooseVisibility(id, visibility, key) {
      const response = await write(`${urlOf(id)}/visibility`, { method: "POST", body: jsonBody({ visibility }), key });
      return (await jsonOf(response)) as { id: string; href: string };
    },

    async createToken(fields) {
      const response = await write(`${registry}/tokens`, { method: "POST", body: jsonBody(fields) });
      return (await jsonOf(response)) as TokenFacts & { token: string };
    },

    async listTokens() {
      const response = await read(`${registry}/tokens`, "application/json");
      if (!response.ok) throw await refusalOf(response);
      return ((await jsonOf(response)) as { tokens: TokenFacts[] }).tokens;
    },

    async listPeers() {
      const response = await read(`${registry}/peers`, "application/json");
      if (!response.ok) throw await refusalOf(response);
      return ((await jsonOf(response)) as { peers: PeerFacts[] }).peers;
    },

    async followPeer(target, filter) {
      const body = jsonBody(filter === null ? { target } : { target, filter });
      return (await jsonOf(await write(`${registry}/peers`, { method: "POST", body }))) as PeerFacts;
    },

    async changePeer(id, act) {
      const url = `${registry}/peers/${encodeURIComponent(id)}`;
      const response =
        act === "unfollow" ? await write(url, { method: "DELETE" }) : await write(`${url}/${act}`, { method: "POST" });
      return (await jsonOf(response)) as PeerFacts;
    },

    async verifyPeer(id) {
      const response = await write(`${registry}/peers/${encodeURIComponent(id)}/verify`, { method: "POST" });
      return (await jsonOf(response)) as PeerVerification;
    },

    async revokeToken(id) {
      await write(`${registry}/tokens/${encodeURIComponent(id)}`, { method: "DELETE" });
    },
  };
}

function jsonBody(value: object): { type: string; text: string } {
  return { type: "application/json", text: JSON.stringify(value) };
}

/** Fetches a document from any http(s) URL; a Tombstone counts although its status is 410. Throws a Refusal. */
export async function fetchDocument(url: string): Promise<FetchedDocument> {
  const accept = "application/td+json, application/activity+json, application/ld+json, application/json";
  const found = await documentOf(await send(url, url, { headers: { accept } }));
  if (found === null) throw new Refusal(`There is nothing at ${url}.`);
  return found;
}

async function documentOf(response: Response): Promise<FetchedDocument | null> {
  if (response.status === 404) {
    await response.body?.cancel();
    return null;
  }
  const gone = response.status === 410 && !isProblem(response);
  if (!response.ok && !gone) throw await refusalOf(response);
  return { bytes: await readBody(response, limits.documentBytesMax), gone };
}

async function send(server: string, url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(answerMsMax) });
  } catch (error) {
    throw unreachable(server, error);
  }
}

function unreachable(server: string, error: unknown): Unreachable {
  const reason = reasonOf(error);
  return new Unreachable(
    `Nothing answers at ${server} (${reason}). Start a registry with \`npx thingstead serve\`, or name another one with --registry.`,
    { cause: error },
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") return `no answer within ${answerMsMax / 1000} s`;
  const cause = error instanceof Error ? error.cause : undefined;
  const { code } = (cause ?? {}) as { code?: unknown };
  if (typeof code === "string") return code;
  return cause instanceof Error ? cause.message : String(error);
}

async function writtenOf(response: Response): Promise<Written> {
  const body = (await jsonOf(response)) as { id: string; href: string; repairs?: ValidationError[] };
  return { created: true, id: body.id, href: body.href, repairs: body.repairs ?? [] };
}

/** The problem details of an answer (RFC 9457) as something to print. */
async function refusalOf(response: Response): Promise<Refusal> {
  if (!isProblem(response)) {
    await response.body?.cancel();
    return new Refusal(`${response.url} answered ${response.status}, and not as a Thingstead registry does.`);
  }
  const problem = (await jsonOf(response)) as {
    type?: string;
    title?: string;
    detail?: string;
    requestId?: string;
    validationErrors?: ValidationError[];
  };
  const request = problem.requestId === undefined ? "" : ` (requestId ${problem.requestId})`;
  return new Refusal(
    `Refused (${response.status}, ${problem.type ?? "about:blank"}): ${problem.title ?? ""}. ${problem.detail ?? ""}${request}`,
    { validationErrors: Array.isArray(problem.validationErrors) ? problem.validationErrors : [] },
  );
}

function isProblem(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("application/problem+json") ?? false;
}

async function jsonOf(response: Response): Promise<unknown> {
  const bytes = await readBody(response, answerBytesMax);
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw new Refusal(`${response.url} did not answer with JSON: is it a Thingstead registry?`, { cause });
  }
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
    throw error instanceof Refusal ? error : unreachable(response.url, error);
  }
  return Buffer.concat(chunks);
}
