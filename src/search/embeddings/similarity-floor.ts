import type { Clock } from "../../base/clock.ts";
import { noFilters, type SearchQuery } from "../port.ts";
import type { QueryVectors } from "./query-vectors.ts";
import type { NearEntry, VectorStore } from "./vector-store.ts";

/** Leaves out what is near to a query only because something always is. */
export interface SimilarityFloor {
  /** Those of `near` (nearest first) that say something about the query. */
  relevant(near: NearEntry[]): Promise<NearEntry[]>;
}

/** Queries that ask for nothing. */
const meaninglessTexts = ["asdf qwer zxcv", "flurbl gnarx wibble", "lorem ipsum dolor sit amet"];
/** Of the way from the floor to the nearest entry, an entry has to come so far. */
const shareMin = 0.25;
/** How long a floor holds, in milliseconds: it moves with the number of entries. */
const freshMs = 60 * 60 * 1000;

/**
 * What similarity means differs from model to model: 0.3 may be much or nothing. The floor is what queries without any
 * meaning reach with the entries that are there: the median of their best. Zero while that cannot be told.
 */
export function createSimilarityFloor(deps: {
  queries: QueryVectors;
  store: VectorStore;
  clock: Clock;
}): SimilarityFloor {
  const { queries, store, clock } = deps;
  let known: { floor: number; at: number } | null = null;
  let measuring: Promise<number | null> | null = null;

  async function measure(): Promise<number | null> {
    const now = clock.now();
    const bests = await Promise.all(
      meaninglessTexts.map(async (text) => {
        const vector = await queries.vectorOf(text);
        const near = vector === null ? null : await store.nearest(allEntries, vector, 1, now);
        return near?.[0]?.similarity ?? null;
      }),
    );
    const found = bests.filter((best) => best !== null).sort((a, b) => a - b);
    return found.length < bests.length ? null : (found[Math.floor(found.length / 2)] ?? null);
  }

  async function floorNow(): Promise<number> {
    const at = clock.now().getTime();
    if (known !== null && at - known.at < freshMs) return known.floor;
    measuring ??= measure().finally(() => (measuring = null));
    const floor = await measuring;
    if (floor !== null) known = { floor, at };
    return known?.floor ?? 0;
  }

  return {
    async relevant(near) {
      const [first] = near;
      if (first === undefined) return [];
      const floor = await floorNow();
      const least = floor + shareMin * (first.similarity - floor);
      return near.filter(({ similarity }) => similarity > floor && similarity >= least);
    },
  };
}

/** Asks for all entries. */
const allEntries: SearchQuery = {
  words: "",
  order: "newest",
  filters: noFilters(),
  controller: null,
  origin: null,
  verified: null,
  latencyMsMax: null,
  modifiedSince: null,
  withoutOrigins: [],
  facets: [],
  limit: 1,
  cursor: null,
  explain: false,
};
