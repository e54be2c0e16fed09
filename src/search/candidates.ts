/** One word of a query: how it is ranked, and what is known of its frequency. */
export interface QueryTerm {
  /** Lexemes of which any answers the word. */
  forms: string[];
  /** What an entry of impact 1 gets for it: the word's rarity, less for a guess. */
  factor: number;
  /** Entries that have it. */
  entries: number;
  /** Entries that have it in a title, a name, a tag or a vendor. */
  strongEntries: number;
}

/** A term by its index in the query; `strong` asks for it in titles and names. */
export interface Atom {
  term: number;
  strong: boolean;
}

/**
 * The entries that are ranked: those that have all atoms of one of `groups`, and of those registered since sequence
 * number `since` (null: none) those that have any term at all.
 */
export interface Candidates {
  groups: Atom[][];
  since: number | null;
}

/** Entries that are ranked for one query, about. Ranking one costs a microsecond a word, and reading its row. */
const candidatesMax = 1_500;
const candidatesMin = 500;
/** Words of a query up to which `candidatesMax` holds. */
const termsForMax = 8;

/** What a word is worth at most, as a share of its factor, to an entry that has it only in its texts. */
const weakImpact = 0.6;

/** By how much words of one query occur together more often than by chance: a guess on the safe side. */
const togetherness = 2;

/**
 * Chooses the entries to rank, so that their number is bounded however common the words are: entries that have the
 * rarest words, or have a word in their title, come first, because no other entry can have a higher score (the idea
 * of MaxScore: Turtle and Flood, 1995); of common words, entries that have several of them.
 *
 * `total` is the number of entries, `filtered` the number that pass the filters (an estimate). `isAll` is false if
 * entries with one of the words may have been left out.
 */
export function chooseCandidates(
  terms: QueryTerm[],
  total: number,
  filtered: number,
): { candidates: Candidates; isAll: boolean } {
  const wanted = Math.max(candidatesMin, Math.min(candidatesMax, (candidatesMax * termsForMax) / terms.length));
  const share = total === 0 ? 1 : Math.min(1, filtered / total);
  const expected = (entries: number) => entries * share;
  const sum = terms.reduce((all, term) => all + expected(term.entries), 0);
  if (filtered <= wanted || sum <= wanted) return { candidates: allOfThem(terms), isAll: true };

  const chosen = new Map<number, Atom>();
  let count = 0;
  for (const atom of atomsByWorth(terms)) {
    const term = terms[atom.term] as QueryTerm;
    const had = chosen.get(atom.term);
    if (had !== undefined && !had.strong) continue;
    const more = expected(
      atom.strong ? term.strongEntries : term.entries - (had === undefined ? 0 : term.strongEntries),
    );
    if (count + more > wanted * 2) break;
    chosen.set(atom.term, atom);
    count += more;
    if (count >= wanted) break;
  }
  const groups = [...chosen.values()].map((atom) => [atom]);
  if (count < wanted) {
    const rest = terms.flatMap((_, term) => (chosen.get(term)?.strong === false ? [] : [term]));
    const together = conjunctionOf(terms, rest, total, share, wanted);
    if (together !== null) groups.push(together);
  }
  return { candidates: { groups, since: null }, isAll: false };
}

/** Every entry that has any of the terms. */
export function allOfThem(terms: QueryTerm[]): Candidates {
  return { groups: terms.map((_, term) => [{ term, strong: false }]), since: null };
}

function atomsByWorth(terms: QueryTerm[]): Atom[] {
  return terms
    .flatMap(({ factor }, term) => [
      { term, strong: true, worth: factor },
      { term, strong: false, worth: factor * weakImpact },
    ])
    .sort((a, b) => b.worth - a.worth);
}

/** The rarest terms together, as many as it takes to be few enough; null where no number of them is. */
function conjunctionOf(
  terms: QueryTerm[],
  among: number[],
  total: number,
  share: number,
  wanted: number,
): Atom[] | null {
  const rarestFirst = [...among].sort((a, b) => entriesOf(a) - entriesOf(b));
  const group: Atom[] = [];
  let count = total * share;
  for (const term of rarestFirst) {
    const together = group.length === 0 ? 1 : togetherness;
    count *= Math.min(1, (entriesOf(term) / total) * together);
    group.push({ term, strong: false });
    if (count <= wanted) break;
  }
  for (const atom of group) {
    if (count <= wanted * 2) break;
    const { entries, strongEntries } = terms[atom.term] as QueryTerm;
    if (entries > 0) count *= strongEntries / entries;
    atom.strong = true;
  }
  return group.length > 0 && count <= wanted * 2 ? group : null;

  function entriesOf(term: number): number {
    return (terms[term] as QueryTerm).entries;
  }
}
