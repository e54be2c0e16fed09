import assert from "node:assert/strict";
import type { JsonObject } from "../../src/base/json.ts";
import type { Config } from "../../src/config.ts";
import type { ServiceParts } from "../../src/main.ts";
import { tdOf } from "../support/descriptions.ts";
import { createSseParser, type SseEvent } from "../support/sse-client.ts";

/** A registry as a client sees it. */
export interface Registry {
  /** Where it says that it is, without a trailing slash. */
  readonly origin: string;
  /** Sends a request to `path`, which starts with a slash, or to a URL of the registry. */
  send(path: string, init?: RequestInit): Promise<Response>;
}

/** Registries of the kinds that the assertions speak of. Each is started when it is first asked for. */
export interface World {
  /** Anybody may write. */
  open(): Promise<Registry>;
  /** Only who has the token may write. */
  guarded(): Promise<Registry>;
  /** Only who has the token may read. */
  closed(): Promise<Registry>;
  /** Has the things of `listedIds` and no others, ever. */
  listed(): Promise<Registry>;
  /** Anybody may write, and its clock goes forward with `advance`. */
  timed(): Promise<Registry>;
  /** Moves the clock of `timed` by some milliseconds. */
  advance(ms: number): void;
  /** Headers of who has the token. */
  readonly operator: Record<string, string>;
}

/** Ids whose order by code points is neither a usual collation's nor that of UTF-16. */
export const listedIds = ["Z", "a", "b", "ä", "\uFB33", "\u{1F600}"].map((name) => `urn:example:listed:${name}`);

export type Start = (
  overrides: Partial<Config>,
  parts: ServiceParts,
) => Promise<{ url: string; origin: string; close(): Promise<void> }>;

/** A world of real registries that `start` starts; requests go over the network. */
export function createWorld(start: Start, token: string): World & AsyncDisposable {
  const stack = new AsyncDisposableStack();
  let offsetMs = 0;
  const clock = { now: () => new Date(Date.now() + offsetMs) };

  async function startRegistry(overrides: Partial<Config>, parts: ServiceParts = {}): Promise<Registry> {
    const { url, origin, close } = await start({ adminToken: token, ...overrides }, parts);
    stack.defer(close);
    return {
      origin,
      send: (path, init) => {
        const target = path.startsWith(origin) ? path.slice(origin.length) : path;
        assert(target.startsWith("/"), `${target} is not of this registry`);
        return fetch(url + target, { ...init, signal: init?.signal ?? AbortSignal.timeout(10_000) });
      },
    };
  }

  const once = <Value>(make: () => Promise<Value>): (() => Promise<Value>) => {
    let made: Promise<Value> | null = null;
    return () => (made ??= make());
  };
  return {
    open: once(() => startRegistry({ admission: "open" })),
    guarded: once(() => startRegistry({ admission: "token" })),
    closed: once(() => startRegistry({ admission: "open", readAccess: "token" })),
    listed: once(async () => {
      const registry = await startRegistry({ admission: "open" });
      for (const id of listedIds.toReversed()) await register(registry, { id });
      return registry;
    }),
    timed: once(() => startRegistry({ admission: "open" }, { clock })),
    advance(ms) {
      offsetMs += ms;
    },
    operator: { authorization: `Bearer ${token}` },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export function pathOf(id: string): string {
  return `/things/${encodeURIComponent(id)}`;
}

/** A new description with an id. */
export function newTd(members: JsonObject = {}): JsonObject & { id: string } {
  const td = tdOf(members);
  return { ...td, id: String(td["id"]) };
}

/** A new description without an id. */
export function anonymousTd(members: JsonObject = {}): JsonObject {
  const { id: _, ...td } = tdOf(members);
  return td;
}

const td = "application/td+json";

export function put(
  registry: Registry,
  document: JsonObject & { id: string },
  headers: Record<string, string> = {},
): Promise<Response> {
  return registry.send(pathOf(document.id), {
    method: "PUT",
    headers: { "content-type": td, ...headers },
    body: JSON.stringify(document),
  });
}

export function post(registry: Registry, document: JsonObject): Promise<Response> {
  return registry.send("/things", {
    method: "POST",
    headers: { "content-type": td },
    body: JSON.stringify(document),
  });
}

export function patch(registry: Registry, id: string, changes: JsonObject): Promise<Response> {
  return registry.send(pathOf(id), {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: JSON.stringify(changes),
  });
}

/** Registers a new description, which must be new to the registry. */
export async function register(registry: Registry, members: JsonObject = {}): Promise<JsonObject & { id: string }> {
  const document = newTd(members);
  const response = await put(registry, document);
  assert.equal(response.status, 201, `PUT of a new thing: ${await response.text()}`);
  return document;
}

/** Registers a new description without an id; returns the id that it got, and its URL. */
export async function registerAnonymous(
  registry: Registry,
  members: JsonObject = {},
): Promise<{ id: string; location: string }> {
  const response = await post(registry, anonymousTd(members));
  assert.equal(response.status, 201);
  const location = response.headers.get("location");
  assert(location, "there is no Location");
  const { id } = await objectOf(await registry.send(location));
  assert(typeof id === "string", "the thing has no id");
  return { id, location };
}

/** Reads a thing, as JSON. */
export async function read(registry: Registry, id: string): Promise<JsonObject> {
  return objectOf(await registry.send(pathOf(id)));
}

/** The body of a 200, which is a JSON object. */
export async function objectOf(response: Response): Promise<JsonObject> {
  assert.equal(response.status, 200);
  const body = (await response.json()) as unknown;
  assert(typeof body === "object" && body !== null && !Array.isArray(body), "the body is no object");
  return body as JsonObject;
}

/** The body of a 200, which is a JSON array. */
export async function arrayOf(response: Response): Promise<JsonObject[]> {
  assert.equal(response.status, 200);
  const body = (await response.json()) as unknown;
  assert(Array.isArray(body), "the body is no array");
  return body as JsonObject[];
}

export function mediaTypeOf(response: Response): string | undefined {
  return response.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
}

/** Problem details (RFC 7807, RFC 9457) with that status, in UTF-8. Returns them. */
export async function assertProblem(response: Response, status: number): Promise<JsonObject> {
  assert.equal(response.status, status);
  assert.equal(mediaTypeOf(response), "application/problem+json");
  const bytes = await response.arrayBuffer();
  const problem = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as JsonObject;
  assert.equal(problem.status, status);
  for (const member of ["type", "title", "detail"] as const) {
    assert(typeof problem[member] === "string" && problem[member] !== "", `the problem has no ${member}`);
  }
  return problem;
}

/** A Thing Description: what every reader relies on. */
export function assertTd(body: JsonObject): void {
  assert(JSON.stringify(body["@context"] ?? null).includes("https://www.w3.org/2022/wot/td/v1.1"), "no TD context");
  assert.equal(typeof body.title, "string");
  assert(body.security !== undefined && body.securityDefinitions !== undefined, "no security");
}

/** Link header values by relation; the parameters of each beside its target. */
export function linksOf(response: Response): { target: string; rel: string; parameters: Record<string, string> }[] {
  const header = response.headers.get("link") ?? "";
  return [...header.matchAll(/<([^>]*)>((?:\s*;\s*\w+=(?:"[^"]*"|[^\s",;]+))*)/g)].map(([, target = "", rest = ""]) => {
    const parameters = Object.fromEntries(
      [...rest.matchAll(/;\s*(\w+)=("[^"]*"|[^\s",;]+)/g)].map(([, name = "", value = ""]) => [name, value]),
    );
    return { target, rel: (parameters["rel"] ?? "").replaceAll('"', ""), parameters };
  });
}

/**
 * The events that an event stream brings while `cause` runs and until there are `count` of them. Rejects when they do
 * not come in time, or the stream is none.
 */
export async function eventsOf(
  registry: Registry,
  path: string,
  count: number,
  cause: () => Promise<unknown>,
  headers: Record<string, string> = {},
  msMax = 5_000,
): Promise<SseEvent[]> {
  const abort = new AbortController();
  const response = await registry.send(path, {
    headers: { accept: "text/event-stream", ...headers },
    signal: abort.signal,
  });
  const timer = setTimeout(() => abort.abort(new Error("the events did not come")), msMax);
  try {
    assert.equal(response.status, 200);
    assert.equal(mediaTypeOf(response), "text/event-stream");
    await cause();
    const parser = createSseParser();
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      parser.push(decoder.decode(chunk as Uint8Array, { stream: true }));
      if (parser.events.length >= count) return parser.events;
    }
    throw new Error(`the stream ended after ${parser.events.length} of ${count} events`);
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}
