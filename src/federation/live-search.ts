import { attest } from "../admission/attest.ts";
import { parse, validate } from "../admission/intake.ts";
import { noEvidence } from "../admission/stages.ts";
import type { Clock } from "../base/clock.ts";
import type { Egress } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { DidResolver } from "../identity/resolver.ts";
import type { PeerRow, PeerStore } from "./peer-store.ts";

/** What a peer's search has found, and whose document has been checked here. */
export interface FoundAtPeer {
  /** The item as the peer has it: its own words, which prove nothing. */
  item: JsonObject;
  /** The description whose proof was checked, verbatim. */
  document: string;
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
  if (!isJsonObject(item)) return null;
  const { document, id, ...rest } = item;
  if (typeof document !== "string" || typeof id !== "string") return null;
  const submission = {
    door: "inbox" as const,
    evidence: noEvidence,
    bytes: Buffer.from(document),
    target: [id],
    origin: peer.origin,
  };
  try {
    const candidate = validate(parse(submission));
    const attested = await Promise.race([attest(candidate, deps), aborted(signal)]);
    if (attested.controller === null || candidate.kind !== "description") return null;
    const { controller } = attested;
    return { item: { ...rest, id }, document, peer: peer.origin, controller, thingId: candidate.thingId, rank };
  } catch (error) {
    if (error instanceof Problem || signal.aborted) return null;
    throw error;
  }
}

async function aborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  return promise;
}
