import { type SQL, sql } from "drizzle-orm";
import { limits } from "../base/limits.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import { analyse } from "./analyser.ts";
import { allOfThem, type Atom, type Candidates, chooseCandidates, type QueryTerm } from "./candidates.ts";
import { conditionsOf, narrowingOf } from "./conditions.ts";
import { decodeRankedCursor, encodeRankedCursor, fingerprintOf, invalidCursor } from "./cursor.ts";
import { anyLikeness, guessWords, isAkin, wordsBeginningWith } from "./guess.ts";
import { explained } from "./explain.ts";
import { allOf, anyOf, strongLexeme } from "./lexemes.ts";
import { countsOf, type Found, hitOf, impactInEntry, isFoundFasterByIndex, matching, type PageRow } from "./matches.ts";
import type { TypedTerm } from "./matched.ts";
import type { SearchQuery } from "./port.ts";
import { filterLexemesOf } from "./query.ts";
import { type TypedWord, wordsOf } from "./words.ts";

/** Of entries that have common words only, so many of the newest are ranked. */
const newestMax = 500;

/** What has any of the words and passes the filters, best first. */
export async function rank(db: Queryable, query: SearchQuery, now: Date): Promise<Found> {
  const fingerprint = fingerprintOf(query);
  const after = query.cursor === null ? null : decodeRankedCursor(query.cursor, fingerprint);
  const words = wordsOf(query.words);
  // What is in quotes is as much a condition as a filter is.
  const filters = [
    ...filterLexemesOf(query).map((lexeme) => [lexeme]),
    ...words.flatMap(({ required, forms }) => (required ? [forms] : [])),
  ];
  const narrowing = await narrowingOf(db, query);
  const asked = conditionsOf(query, now);
  const conditions = narrowing === null ? asked : sql`(${asked} and ${narrowing.condition})`;
  const nothing = { page: { hits: [], facets: {}, next: null }, matches: null };
  if (words.length === 0) return nothing;

  let terms: TypedTerm[];
  let candidates: Candidates;
  if (after !== null) {
    terms = after.terms.map(([word, factor, forms]) => ({
      typed: words[word]?.plain ?? "",
      joined: words[word]?.joined ?? false,
      forms,
      factor,
      entries: 0,
      strongEntries: 0,
    }));
    candidates = { groups: after.groups.map((group) => group.map(atomOf)), since: after.since };
    if (terms.length === 0 || candidates.groups.flat().some(({ term }) => term >= terms.length)) {
      throw invalidCursor("must be `next` of the page before");
    }
  } else {
    const counts = await countsOf(db, [
      ...words.flatMap(({ forms, meanings }) => [...forms, ...meanings].flatMap((form) => [form, strongLexeme(form)])),
      ...filters.flat(),
    ]);
    const total = counts.get("") ?? 0;
    terms = await termsOf(db, words, counts, total);
    if (terms.length === 0) return nothing;
    const filtered = Math.min(
      total,
      narrowing?.entries ?? total,
      ...filters.map((any) => any.reduce((sum, lexeme) => sum + (counts.get(lexeme) ?? 0), 0)),
    );
    const choice = chooseCandidates(terms, total, filtered);
    candidates = choice.candidates;
    const first = await readPage(db, { terms, candidates, filters, after, conditions, limit: query.limit });
    if (first.length <= query.limit && !choice.isAll) {
      candidates = await widened(db, terms, candidates, filters, total, filtered);
    } else {
      return found(first);
    }
  }
  return found(await readPage(db, { terms, candidates, filters, after, conditions, limit: query.limit }));

  async function found(rows: PageRow[]): Promise<Found> {
    const shown = rows.slice(0, query.limit);
    const last = shown.at(-1);
    const next =
      rows.length > shown.length && last !== undefined
        ? encodeRankedCursor({
            query: fingerprint,
            terms: terms.map((term) => [words.findIndex(({ plain }) => plain === term.typed), term.factor, term.forms]),
            groups: candidates.groups.map((group) => group.map(atomNumber)),
            since: candidates.since,
            score: last.score,
            sequence: last.sequence,
          })
        : null;
    const hits = shown.map((row) => hitOf(row, query, terms));
    const shownHits = query.explain ? await explained(db, hits, terms) : hits;
    return {
      page: { hits: shownHits, facets: {}, next },
      matches: sql`(${matchingAny(terms, allOfThem(terms), filters)} and ${conditions})`,
    };
  }
}

/** Words of a query up to which each may be mistyped; in a longer one, most that nobody has are names of something else. */
const mistypedAmongMax = 3;

/** What a word's meaning counts, against the word itself. */
const meaningTrust = 0.8;

/** The words that some entry has, with what they can mean, and for the others what they can have been mistyped for. */
async function termsOf(
  db: Queryable,
  words: TypedWord[],
  counts: Map<string, number>,
  total: number,
): Promise<TypedTerm[]> {
  const count = (lexeme: string) => Math.max(0, counts.get(lexeme) ?? 0);
  const isKnown = ({ forms, meanings }: TypedWord) => [...forms, ...meanings].some((form) => count(form) > 0);
  const said = words.filter(({ joined, weight }) => !joined && weight === 1);
  const unknown = said.filter((word) => !word.required && !word.prefix && !isKnown(word));
  const mayBeMistyped = said.length <= mistypedAmongMax || !words.some(isKnown);
  const guesses = await guessWords(
    db,
    unknown.map(({ plain }) => plain),
    mayBeMistyped ? anyLikeness : isAkin,
  );
  for (const { plain } of words.filter(({ prefix }) => prefix)) {
    const begun = await wordsBeginningWith(db, plain);
    if (begun !== null) guesses.set(plain, begun);
  }
  const found = words.map((word): TypedTerm[] => {
    const { plain: typed, joined, weight } = word;
    const guess = guesses.get(typed);
    if (guess !== undefined) {
      const { entries } = guess;
      const meant = guess.words
        .flatMap((one) => analyse(one, null))
        .flatMap(({ plain, stem }) => [plain, stem ?? plain]);
      const factor = round(rarity(entries, total) * guess.trust * weight);
      return [{ typed, joined: false, forms: [...new Set(meant)], factor, entries, strongEntries: entries }];
    }
    const forms = word.forms.filter((form) => count(form) > 0);
    const entries = Math.max(0, ...forms.map(count));
    const strongEntries = forms.reduce((sum, form) => sum + count(strongLexeme(form)), 0);
    const own = forms.length === 0 ? Infinity : rarity(entries, total);
    const asTyped = { typed, joined, forms, factor: round(own * weight), entries, strongEntries };
    const meant = word.meanings
      .filter((meaning) => count(meaning) > 0)
      .map((meaning) => ({
        typed,
        joined,
        forms: [meaning],
        // A rare word for a common thing is not worth more for what it means.
        factor: round(Math.min(own, rarity(count(meaning), total)) * meaningTrust * weight),
        entries: count(meaning),
        strongEntries: count(strongLexeme(meaning)),
      }));
    return forms.length === 0 ? meant : [asTyped, ...meant];
  });
  // Of more than can be ranked by, the words themselves come before what else they can mean.
  return [...found.flatMap((ofWord) => ofWord.slice(0, 1)), ...found.flatMap((ofWord) => ofWord.slice(1))].slice(
    0,
    limits.searchWordsMax,
  );
}

/** Robertson and Sparck Jones' weight of a word (as in BM25), never negative. */
function rarity(entries: number, total: number): number {
  return round(Math.log(1 + (Math.max(total, entries) - entries + 0.5) / (entries + 0.5)));
}

/** Short in cursors, which must rank as the first page did. */
function round(factor: number): number {
  return Math.round(factor * 1_000) / 1_000;
}

/** Candidates for a query whose chosen ones do not fill a page: also entries that have common words only. */
async function widened(
  db: Queryable,
  terms: QueryTerm[],
  candidates: Candidates,
  filters: string[][],
  total: number,
  filtered: number,
): Promise<Candidates> {
  const most = Math.max(...terms.map(({ entries }) => entries));
  const share = (most / Math.max(1, total)) * (filtered / Math.max(1, total));
  const all = allOfThem(terms);
  if (isFoundFasterByIndex(share, total, newestMax)) return all;
  const rows = await rowsOf<{ since: number | null }>(
    db,
    sql`select min(sequence)::float8 as since from (
          select sequence from search_entries where (${matchingAny(terms, all, filters)}) is true
          order by sequence desc limit ${newestMax}
        ) newest`,
  );
  return { groups: candidates.groups, since: rows[0]?.since ?? null };
}

interface PageRequest {
  terms: TypedTerm[];
  candidates: Candidates;
  /** Each a list of lexemes of which any will do. */
  filters: string[][];
  after: { score: number; sequence: number } | null;
  /** Beside words and filters (conditionsOf). */
  conditions: SQL;
  limit: number;
}

/** The rows of a page and one more, if there is one. */
async function readPage(db: Queryable, request: PageRequest): Promise<PageRow[]> {
  const { terms, candidates, filters, after, conditions, limit } = request;
  if (candidates.groups.length === 0 && candidates.since === null) return [];
  // Of what a word is and can mean, the best counts.
  const score = sql.join(
    [...Map.groupBy(terms, ({ typed }) => typed).values()].map(
      (ofWord) =>
        sql`greatest(${sql.join(
          ofWord.map((term) => sql`${term.factor}::float8 * ${impactInEntry(term)}`),
          sql`, `,
        )})`,
    ),
    sql` + `,
  );
  return rowsOf<PageRow>(
    db,
    // Without "offset 0" the score would be computed twice, for the condition and for the order.
    sql`select encode(p.key, 'hex') as key, p.sequence, p.score, d.affordances
        from (
          select r.key, r.sequence, r.score from (
            select e.key, e.sequence::float8 as sequence, ${score} as score from search_entries e
            where ${matchingAny(terms, candidates, filters)} and ${conditions}
            offset 0
          ) r
          where ${after === null ? sql`true` : sql`(r.score, r.sequence) < (${after.score}::float8, ${after.sequence}::float8)`}
          order by r.score desc, r.sequence desc limit ${limit + 1}
        ) p left join search_details d using (key)
        order by p.score desc, p.sequence desc`,
  );
}

/** The condition that selects `candidates` among what passes the filters. */
function matchingAny(terms: QueryTerm[], candidates: Candidates, filters: string[][]): SQL {
  const filterQueries = filters.map(anyOf);
  const any = anyOf(terms.flatMap(({ forms }) => forms));
  const newest =
    candidates.since === null
      ? null
      : sql`(sequence >= ${candidates.since}::bigint and (${matching([any, ...filterQueries])}) is true)`;
  if (candidates.groups.length === 0) return newest ?? sql`false`;
  const groups = candidates.groups.map((group) => allOf(group.map((atom) => atomQuery(terms, atom)))).join("|");
  const grouped = matching([groups, ...filterQueries]);
  return newest === null ? grouped : sql`(${grouped} or ${newest})`;
}

function atomQuery(terms: QueryTerm[], { term, strong }: Atom): string {
  const { forms } = terms[term] as QueryTerm;
  return anyOf(strong ? forms.map(strongLexeme) : forms);
}

function atomNumber({ term, strong }: Atom): number {
  return term * 2 + (strong ? 1 : 0);
}

function atomOf(number: number): Atom {
  return { term: Math.floor(number / 2), strong: number % 2 === 1 };
}
