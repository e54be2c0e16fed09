import { type SQL, sql } from "drizzle-orm";
import type { EntryKey } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import { conditionsOf } from "./conditions.ts";
import { fingerprintOf } from "./cursor.ts";
import type { Meaning } from "./embeddings/embeddings.ts";
import type { NearEntry } from "./embeddings/vector-store.ts";
import { decodeHybridCursor, encodeHybridCursor, type HybridCursor, type Place } from "./hybrid-cursor.ts";
import type { SearchEngine, SearchHit, SearchPage, SearchQuery } from "./port.ts";

/** What each list counts, and how little the first ranks stand out. */
export interface FusionSettings {
  wordsWeight: number;
  meaningWeight: number;
  /** A place counts weight / (k + rank). */
  k: number;
}

/** Both lists count the same, and `k` is that of the paper: neither was fitted to anything. */
const usualFusion: FusionSettings = { wordsWeight: 1, meaningWeight: 1, k: 60 };

/** Entries that are fused of each list: what engines give on one page, and what fits into a cursor. */
const listMax = limits.searchPageMax;

/** What the two lists say of a query. */
interface Lists {
  words: SearchPage;
  /** Null where meaning could not be told. */
  near: NearEntry[] | null;
}

/**
 * A search engine that adds what a query means to what `words` finds: it fuses the first entries of both lists by
 * reciprocal rank (Cormack, Clarke and Büttcher, 2009), which asks of scores only that they put entries in order. After
 * this window the words' own order goes on. All else, and queries without words, are up to `words`. Where meaning cannot
 * be told the page is `degraded` by `embedder`, and goes by words alone.
 *
 * The first page puts its window in order, and the cursor keeps this order: later pages neither repeat entries nor lose
 * them, whatever has come or gone in the meantime.
 */
export function createHybridSearch(deps: {
  words: SearchEngine;
  meaning: Meaning;
  db: Queryable;
  fusion?: FusionSettings;
}): SearchEngine {
  const { words, meaning, db, fusion = usualFusion } = deps;
  const log = loggerOf("search");

  async function listsFor(query: SearchQuery, now: Date): Promise<Lists> {
    const near = meaning.nearest(query, listMax, now).catch((error: unknown) => {
      log.warning("meaning had no part in a search: {error}", { error });
      return null;
    });
    const [page, entries] = await Promise.all([words.search({ ...query, limit: listMax, cursor: null }, now), near]);
    return { words: page, near: entries };
  }

  async function pageAfter(state: HybridCursor, lists: Lists, query: SearchQuery, now: Date): Promise<SearchPage> {
    const keys = await keysOf(db, [...state.left.map(({ sequence }) => sequence), ...state.shown], query, now);
    const there = state.left.filter(({ sequence }) => keys.has(sequence));
    const shownPlaces = there.slice(0, query.limit);
    const left = there.slice(query.limit);
    const describe = describer(lists, query, fusion);
    const hits = shownPlaces.map((place) => describe(keys.get(place.sequence) as EntryKey, place));
    const shown = [...state.shown, ...shownPlaces.filter(isMeantOnly).map(({ sequence }) => sequence)];
    let { words: wordsCursor, later } = state;
    const brought = new Set(shown.flatMap((sequence) => keys.get(sequence) ?? []));
    while (left.length === 0 && hits.length < query.limit && wordsCursor !== null) {
      const page: SearchPage = await words.search(
        { ...query, limit: query.limit - hits.length, facets: [], cursor: wordsCursor },
        now,
      );
      for (const hit of page.hits.filter(({ key }) => !brought.has(key))) {
        later += 1;
        hits.push(scored(hit, scoreOfLater(later, fusion), query));
      }
      wordsCursor = page.next;
    }
    const hasMore = left.length > 0 || wordsCursor !== null;
    const degraded = [...(lists.words.degraded ?? []), ...(state.isDegraded ? ["embedder"] : [])];
    return {
      hits,
      facets: lists.words.facets,
      next: hasMore ? encodeHybridCursor({ ...state, left, shown, later, words: wordsCursor }) : null,
      ...(degraded.length === 0 ? {} : { degraded }),
    };
  }

  return {
    name: "hybrid",
    apply: (changes, tx) => words.apply(changes, tx),
    maintain: () => words.maintain(),
    capabilities: (options, now) => words.capabilities(options, now),
    async search(query, now) {
      if (query.words.trim() === "") return words.search(query, now);
      const fingerprint = fingerprintOf(query);
      const state = query.cursor === null ? null : decodeHybridCursor(query.cursor, fingerprint);
      // A page of words before there was an embedder.
      if (query.cursor !== null && state === null) return words.search(query, now);
      const lists = await listsFor(query, now);
      return pageAfter(state ?? (await firstState(lists, fingerprint)), lists, query, now);
    },
  };

  async function firstState(lists: Lists, fingerprint: string): Promise<HybridCursor> {
    const ranks = new Map<EntryKey, Omit<Place, "sequence">>();
    lists.words.hits.forEach(({ key }, index) => ranks.set(key, { wordsRank: index + 1, meaningRank: null }));
    (lists.near ?? []).forEach(({ key }, index) => {
      ranks.set(key, { wordsRank: ranks.get(key)?.wordsRank ?? null, meaningRank: index + 1 });
    });
    const sequences = await sequencesOf(db, [...ranks.keys()]);
    const places = [...ranks].flatMap(([key, rank]): Place[] => {
      const sequence = sequences.get(key);
      return sequence === undefined ? [] : [{ sequence, ...rank }];
    });
    const score = (place: Place) => scoreOf(place, fusion);
    return {
      query: fingerprint,
      isDegraded: lists.near === null,
      // Sorting is stable: of two that score the same, the words' one comes first.
      left: places.sort((a, b) => score(b) - score(a)),
      shown: [],
      later: 0,
      words: lists.words.next,
    };
  }
}

/** Whether the list of words does not have it: a later page of words may bring it. */
function isMeantOnly({ wordsRank }: Place): boolean {
  return wordsRank === null;
}

/** From 0 to 1, which is the first place in both lists. */
function scoreOf({ wordsRank, meaningRank }: Omit<Place, "sequence">, fusion: FusionSettings): number {
  const { wordsWeight, meaningWeight, k } = fusion;
  const share = (weight: number, rank: number | null) => (rank === null ? 0 : weight / (k + rank));
  return (
    ((k + 1) / (wordsWeight + meaningWeight)) * (share(wordsWeight, wordsRank) + share(meaningWeight, meaningRank))
  );
}

/** Of the `place`th entry after the window: less than any in the window, whichever list that is in. */
function scoreOfLater(place: number, fusion: FusionSettings): number {
  const weight = Math.min(fusion.wordsWeight, fusion.meaningWeight);
  return scoreOf({ wordsRank: listMax + place, meaningRank: null }, { ...fusion, wordsWeight: weight });
}

/** Makes hits of the window's places: what the lists say of them now, with the ranks that the first page has found. */
function describer(lists: Lists, query: SearchQuery, fusion: FusionSettings) {
  const byWords = new Map(lists.words.hits.map((hit) => [hit.key, hit]));
  const byMeaning = new Map((lists.near ?? []).map((near) => [near.key, near]));
  return (key: EntryKey, { wordsRank, meaningRank }: Place): SearchHit => {
    const worded = byWords.get(key);
    const near = byMeaning.get(key);
    const meant = near?.affordance == null ? [] : [{ capability: query.words.trim(), name: near.affordance }];
    const hit = scored(worded ?? { key, score: 0, matched: meant }, scoreOf({ wordsRank, meaningRank }, fusion), query);
    if (hit.explanation === undefined) return hit;
    const ranked = [
      { engine: worded?.explanation?.engine ?? "words", rank: wordsRank, score: worded?.score },
      { engine: "embeddings", rank: meaningRank, score: near?.similarity },
    ];
    hit.explanation.lists = ranked.flatMap(({ engine, rank, score }) =>
      rank === null || score === undefined ? [] : [{ engine, rank, score: rounded(score) }],
    );
    return hit;
  };
}

/** `hit` with the score that counts here. */
function scored(hit: SearchHit, score: number, query: SearchQuery): SearchHit {
  const { key, matched, explanation } = hit;
  const shown = { key, score: rounded(score), matched };
  if (!query.explain) return shown;
  return { ...shown, explanation: { engine: "hybrid", score: shown.score, words: explanation?.words ?? [] } };
}

/** Neighbouring ranks differ from the fourth digit on. */
function rounded(score: number): number {
  return Math.round(score * 1e6) / 1e6;
}

async function sequencesOf(db: Queryable, keys: EntryKey[]): Promise<Map<EntryKey, number>> {
  const rows = await rowsOf<{ key: EntryKey; sequence: number }>(
    db,
    sql`select encode(key, 'hex') as key, sequence::float8 as sequence from search_entries
        where key in (select decode(k, 'hex') from json_array_elements_text(${json(keys)}::json) k)`,
  );
  return new Map(rows.map(({ key, sequence }) => [key, sequence]));
}

/** The entries of these sequence numbers that are still there, and still as new, as fast and from where the query asks. */
async function keysOf(
  db: Queryable,
  sequences: number[],
  query: SearchQuery,
  now: Date,
): Promise<Map<number, EntryKey>> {
  const rows = await rowsOf<{ key: EntryKey; sequence: number }>(
    db,
    sql`select encode(e.key, 'hex') as key, e.sequence::float8 as sequence from search_entries e
        where e.sequence in (select s::bigint from json_array_elements_text(${json(sequences)}::json) s)
          and ${conditionsOf(query, now)}`,
  );
  return new Map(rows.map(({ key, sequence }) => [sequence, key]));
}

function json(value: unknown): SQL {
  return sql`${JSON.stringify(value)}::text`;
}
