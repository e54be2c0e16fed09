import { attest } from "../admission/attest.ts";
import { parse, validate } from "../admission/intake.ts";
import { noEvidence } from "../admission/stages.ts";
import type { Clock } from "../base/clock.ts";
import type { Egress } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { snippetOf } from "../base/shown-text.ts";
import type { DidResolver } from "../identity/resolver.ts";
import { factsOf } from "../things/facts.ts";
import type { PeerRow, PeerStore } from "./peer-store.ts";

/** What a peer's search has found, and whose document has been checked here. */
export interface FoundAtPeer {
  /** A search item made of the checked document; of the peer's own words it has only which affordances matched. */
  item: JsonObject;
  /** The origin of the peer. */
  peer: string;
  controller: Did;
  thingId: string;
  /** Its place in the peer's results, from 1. */
  rank: number;
}

export interface AskedPeer {
  peer: string;
  state: "answered" | "timeout" | "failed";
  /** Items that were checked, and those that were left out: unsigned, or not what they say to be. */
  items: number;
  dropped: number;
  milliseconds: number;
}

export interface LiveSearchDeps {
  peers: Pick<PeerStore, "list">;
  egress: Pick<Egress, "get">;
  resolver: DidResolver;
  isStale(origin: string): boolean;
  clock: Clock;
}

/** Parameters that are this registry's own affair. */
const ownParameters = ["scope", "cursor", "facets", "documents"];

const answerBounds = {
  bytesMax: limits.entriesPageBytesMax,
  depthMax: limits.jsonDepthMax,
  nodesMax: 100_000,
};

/**
 * Asks followed registries, at most `limits.liveSearchPeersMax` and each for `limits.liveSearchMsMax`, what they find for the
 * query, and checks the proofs of what they answer: a peer decides about the order of its results and nothing else. They
 * are asked for what they have themselves, so that a search never goes further than one registry. Never rejects for what
 * peers do.
 */
export async function searchPeers(
  queryString: string,
  deps: LiveSearchDeps,
): Promise<{ hits: FoundAtPeer[]; peers: AskedPeer[] }> {
  const asked = (await deps.peers.list())
    .filter((peer) => peer.following === "accepted" && !peer.blocked && peer.entriesUrl !== null)
    .filter(({ origin }) => !deps.isStale(origin))
    .sort((one, other) => (other.lastHeard?.getTime() ?? 0) - (one.lastHeard?.getTime() ?? 0))
    .slice(0, limits.liveSearchPeersMax);
  const query = new URLSearchParams(queryString);
  for (const name of ownParameters) query.delete(name);
  query.set("scope", "local");
  query.set("documents", "true");
  const answers = await Promise.all(asked.map((peer) => askPeer(peer, query, deps)));
  return { hits: answers.flatMap(({ hits }) => hits), peers: answers.map(({ report }) => report) };
}

async function askPeer(
  peer: PeerRow,
  query: URLSearchParams,
  deps: LiveSearchDeps,
): Promise<{ hits: FoundAtPeer[]; report: AskedPeer }> {
  const start = performance.now();
  const signal = AbortSignal.timeout(limits.liveSearchMsMax);
  const reportOf = (state: AskedPeer["state"], items = 0, dropped = 0): AskedPeer => {
    return { peer: peer.origin, state, items, dropped, milliseconds: Math.round(performance.now() - start) };
  };
  try {
    const url = `${peer.origin}/search?${query.toString()}`;
    const accept = "application/json";
    const { status, body } = await deps.egress.get(url, { accept, signal, bytesMax: limits.entriesPageBytesMax });
    const items = status === 200 ? itemsOf(parseJson(body, answerBounds).value) : null;
    if (items === null) return { hits: [], report: reportOf("failed") };
    const checked = await Promise.all(items.map((item, index) => checkItem(item, index + 1, peer, deps, signal)));
    const hits = checked.filter((hit) => hit !== null);
    return { hits, report: reportOf("answered", hits.length, items.length - hits.length) };
  } catch {
    return { hits: [], report: reportOf(signal.aborted ? "timeout" : "failed") };
  }
}

function itemsOf(answer: JsonValue): JsonValue[] | null {
  if (!isJsonObject(answer) || !Array.isArray(answer.items)) return null;
  return answer.items.slice(0, limits.searchPageMax);
}

/** The item, if its document is signed by its controller and is about its id; otherwise null. */
async function checkItem(
  item: JsonValue,
  rank: number,
  peer: PeerRow,
  deps: LiveSearchDeps,
  signal: AbortSignal,
): Promise<FoundAtPeer | null> {
  if (!isJsonObject(item) || typeof item.document !== "string" || typeof item.id !== "string") return null;
  const submission = {
    door: "inbox" as const,
    evidence: noEvidence,
    bytes: Buffer.from(item.document),
    target: [item.id],
    origin: peer.origin,
  };
  try {
    const candidate = validate(parse(submission));
    const attested = await Promise.race([attest(candidate, deps), aborted(signal)]);
    if (attested.controller === null || candidate.kind !== "description") return null;
    const { controller } = attested;
    const { json, thingId } = candidate;
    return {
      item: itemFrom(json, thingId, controller, item.matched, peer.origin),
      peer: peer.origin,
      controller,
      thingId,
      rank,
    };
  } catch (error) {
    if (error instanceof Problem || signal.aborted) return null;
    throw error;
  }
}

/** In the form of `GET /search`. Badges are for each registry to give, so there are none. */
function itemFrom(
  td: JsonObject,
  id: string,
  controller: Did,
  matched: JsonValue | undefined,
  origin: string,
): JsonObject {
  const facts = factsOf(td);
  const description = facts.descriptions[0]?.text ?? null;
  const names = new Set(facts.affordances.map(({ name }) => name));
  const titled = (text: string) => snippetOf(text, limits.snippetTitleCharactersMax);
  return {
    id,
    title: facts.title === null ? null : titled(facts.title),
    description: description === null ? null : snippetOf(description, limits.snippetCharactersMax),
    types: facts.types.map(titled),
    matched: listOf(matched).flatMap((match): JsonObject[] => {
      if (!isJsonObject(match) || typeof match.capability !== "string" || typeof match.name !== "string") return [];
      return names.has(match.name) ? [{ capability: titled(match.capability), name: titled(match.name) }] : [];
    }),
    controller,
    verified: true,
    verification: "verified",
    badges: [],
    lookalike: null,
    origin,
    stale: false,
    href: `${origin}/things/${encodeURIComponent(id)}?controller=${encodeURIComponent(controller)}`,
  };
}

function listOf(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value.slice(0, limits.searchPageMax) : [];
}

async function aborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  return promise;
}
