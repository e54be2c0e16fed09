import { z } from "@hono/zod-openapi";
import type { Did, EntryKey, ThingId } from "../base/ids.ts";
import { entryKeyOf } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { Problem } from "../base/problem.ts";
import type { ThingFacts } from "../things/facts.ts";
import { type EntryRow, isExpired } from "../things/entry-store.ts";
import type { LiveHit } from "./federation-port.ts";

/** An entry in one list of results. */
export interface RankedEntry {
  key: EntryKey;
  /** Which list: a peer's origin, or "" for the registry's own. */
  list: string;
  /** Its place there, from 1. */
  rank: number;
}

/** Damps how much the first places count against those that follow (Cormack, Clarke and Büttcher 2009). */
const rankDamping = 60;

/**
 * Scores by reciprocal rank fusion: for each list that has the entry, `1 / (60 + rank)`. Ranks can be compared where the
 * scores of different registries cannot. An entry counts once a list, by its best place, so that repeating it gains
 * nothing. Pure.
 */
export function fuseRanks(ranked: readonly RankedEntry[]): Map<EntryKey, number> {
  const bestPlaces = new Map<string, RankedEntry>();
  for (const one of ranked) {
    const place = `${one.list}\n${one.key}`;
    const best = bestPlaces.get(place);
    if (best === undefined || one.rank < best.rank) bestPlaces.set(place, one);
  }
  const scores = new Map<EntryKey, number>();
  for (const { key, rank } of bestPlaces.values()) {
    scores.set(key, (scores.get(key) ?? 0) + 1 / (rankDamping + rank));
  }
  return scores;
}

export function keyOfLiveHit({ controller, thingId }: LiveHit): EntryKey {
  return entryKeyOf(controller as Did, thingId as ThingId);
}

/** Parameters that are about this registry alone, and not passed on. */
const localParameters = ["scope", "origin", "stale", "facets", "documents", "explain"];

/** What peers are asked, of a request to `/search`. */
export function liveQueryOf(requestUrl: string): string {
  const query = new URL(requestUrl).searchParams;
  for (const name of localParameters) query.delete(name);
  return query.toString();
}

/** Throws `invalid-parameter` for a search of peers that cannot be. */
export function requireLiveSearch({ cursor }: { cursor?: string | undefined }, isFederated: boolean): void {
  const faults = [
    ...(isFederated ? [] : [{ field: "scope", description: "must be local here: FEDERATION is off" }]),
    ...(cursor === undefined ? [] : [{ field: "cursor", description: "must not be given with scope=peers" }]),
  ];
  if (faults.length === 0) return;
  const list = faults.map(({ field, description }) => `${field} ${description}`).join("; ");
  throw new Problem("invalid-parameter", `The query is not valid: ${list}`, { validationErrors: faults });
}

/**
 * Whether a peer can show an entry of which there is a row here: it has run out, or the peers through which it came list it
 * no more. All else is shown as it is known here or, if it was retracted, hidden or taken out, not at all.
 */
export function isLeftToPeers(
  entry: Pick<EntryRow, "state" | "visibility" | "unlistedBy" | "expires">,
  now: Date,
): boolean {
  if (entry.visibility === "by-id" || entry.state === "retracted") return false;
  return entry.state === "unlisted"
    ? entry.unlistedBy === "origin"
    : entry.state === "expired" || isExpired(entry, now);
}

const matchedSchema = z.object({ capability: z.string(), name: z.string() });

/** Pairs of a peer's `matched` that are looked at. */
const matchedPairsMax = 100;

/** The description of a hit. Its proof was checked, so that it was parsed before. */
export function descriptionIn({ document }: LiveHit): JsonObject {
  const td = JSON.parse(document) as JsonValue;
  if (!isJsonObject(td)) throw new Error("a description found at a peer is not an object");
  return td;
}

/** Which affordances the peer says have matched, as far as its description (`facts`) has them. */
export function matchedIn({ item }: LiveHit, facts: ThingFacts): z.infer<typeof matchedSchema>[] {
  const names = new Set(facts.affordances.map(({ name }) => name));
  const pairs: JsonValue[] = Array.isArray(item["matched"]) ? item["matched"].slice(0, matchedPairsMax) : [];
  return pairs.flatMap((pair) => {
    const parsed = matchedSchema.safeParse(pair);
    return parsed.success && names.has(parsed.data.name) ? [parsed.data] : [];
  });
}

/** Where the peer has the entry; a link that leads elsewhere is replaced. */
export function hrefAtPeer({ item, peer, thingId }: LiveHit): string {
  const url = typeof item["href"] === "string" ? URL.parse(item["href"]) : null;
  const isThere = url !== null && url.origin === peer && url.username === "" && url.password === "";
  return isThere ? url.href : `${peer}/things/${encodeURIComponent(thingId)}`;
}
