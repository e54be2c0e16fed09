import { limits } from "../base/limits.ts";
import { impactOfTier, tiersMax } from "./impact.ts";

/** One word of a query: how it is ranked, and what is known of its frequency. */
export interface QueryTerm {
  /** Lexemes of which any answers the word. */
  forms: string[];
  /** What an entry of impact 1 gets for it: the word's rarity, less for a guess. */
  factor: number;
  /** Entries that have it. */
  entries: number;
  /** Entries of which it says so much: at place t - 1, those of tier t or higher. */
  tiers: number[];
}

/** A term by its index in the query, in entries where it is of `tier` or higher; 0: in all that have it. */
export interface Atom {
  term: number;
  tier: number;
}

/**
 * The entries that are ranked: those that have all atoms of one of `groups`, and of those registered since sequence
 * number `since` (null: none) those that have any atom of `newest`.
 */
export interface Candidates {
  groups: Atom[][];
  newest: Atom[];
  since: number | null;
}

/** Entries that are ranked for one query, about: more for more words, as long as ranking each does not take too long. */
const candidatesMin = 400;
const candidatesMax = 1_000;
const candidatesPerTerm = 100;
/** Ranking one entry by one term costs about a microsecond, and reading its row a few. */
const rankingsMax = 8_000;

/** Entries that are enough to fill a page. */
const chosenMin = limits.searchPageMax;

/** By how much words of one query occur together more often than by chance: a guess on the safe side. */
const togetherness = 2;

export interface Choice {
  candidates: Candidates;
  /** False if entries with one of the words may have been left out. */
  isAll: boolean;
  /**
   * What would have been chosen next and is too common, where few were chosen before: its newest entries are worth a look.
   */
  next: Atom | null;
}

/**
 * Chooses the entries to rank, so that their number is bounded however common the words are: those come first that can
 * have the highest scores for one word, because it is rare or because it says much of them (the idea of MaxScore: Turtle
 * and Flood, 1995; by tiers of impact: Anh and Moffat, 2006); of common words, entries that have several of them.
 *
 * `total` is the number of entries, `filtered` the number that pass the filters (an estimate).
 */
export function chooseCandidates(terms: QueryTerm[], total: number, filtered: number): Choice {
  const { length } = terms;
  const most = Math.min(candidatesMax, candidatesMin + candidatesPerTerm * (length - 1), rankingsMax / length);
  const wanted = Math.max(candidatesMin, most);
  const share = total === 0 ? 1 : Math.min(1, filtered / total);
  const expected = (entries: number) => entries * share;
  const sum = terms.reduce((all, term) => all + expected(term.entries), 0);
  if (filtered <= wanted || sum <= wanted) return { candidates: allOfThem(terms), isAll: true, next: null };

  const chosen = new Map<number, Atom>();
  let count = 0;
  let next: Atom | null = null;
  for (const atom of atomsByWorth(terms)) {
    const term = terms[atom.term] as QueryTerm;
    const had = chosen.get(atom.term);
    const more = expected(entriesOf(term, atom.tier) - (had === undefined ? 0 : entriesOf(term, had.tier)));
    if (count + more > wanted * 2) {
      if (count < chosenMin) next = atom;
      break;
    }
    chosen.set(atom.term, atom);
    count += more;
    if (count >= wanted) break;
  }
  const groups = [...chosen.values()].map((atom) => [atom]);
  if (count < wanted) {
    const rest = terms.flatMap((_, term) => (chosen.get(term)?.tier === 0 ? [] : [term]));
    const together = conjunctionOf(terms, rest, total, share, wanted);
    if (together !== null) groups.push(together);
  }
  return { candidates: { groups, newest: [], since: null }, isAll: false, next };
}

/** Every entry that has any of the terms. */
function allOfThem(terms: readonly unknown[]): Candidates {
  return { groups: anyTerm(terms).map((atom) => [atom]), newest: [], since: null };
}

/** Each term, however little it says of an entry. */
export function anyTerm(terms: readonly unknown[]): Atom[] {
  return terms.map((_, term) => ({ term, tier: 0 }));
}

/** Entries that have a term at `tier` or higher. */
export function entriesOf({ entries, tiers }: QueryTerm, tier: number): number {
  return tier === 0 ? entries : (tiers[tier - 1] ?? 0);
}

/** What a term adds at most to the score of an entry that it was not chosen for by a higher tier. */
function atomsByWorth(terms: QueryTerm[]): Atom[] {
  return terms
    .flatMap(({ factor }, term) =>
      Array.from({ length: tiersMax + 1 }, (_, tier) => ({ term, tier, worth: factor * impactOfTier(tier) })),
    )
    .sort((a, b) => b.worth - a.worth || b.tier - a.tier)
    .map(({ term, tier }) => ({ term, tier }));
}

/**
 * The rarest terms together, as many as it takes to be few enough, at higher tiers if all of them are not; null where
 * nothing is.
 */
function conjunctionOf(
  terms: QueryTerm[],
  among: number[],
  total: number,
  share: number,
  wanted: number,
): Atom[] | null {
  const rarestFirst = [...among].sort((a, b) => entriesAt(a, 0) - entriesAt(b, 0));
  for (let tier = 0; tier <= tiersMax; tier += 1) {
    const group: Atom[] = [];
    let count = total * share;
    for (const term of rarestFirst) {
      const together = group.length === 0 ? 1 : togetherness;
      count *= Math.min(1, (entriesAt(term, tier) / total) * together);
      group.push({ term, tier });
      if (count <= wanted) break;
    }
    if (group.length > 1 && count <= wanted * 2) return group;
  }
  return null;

  function entriesAt(term: number, tier: number): number {
    return entriesOf(terms[term] as QueryTerm, tier);
  }
}
