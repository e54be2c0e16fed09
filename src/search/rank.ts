import { type SQL, sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { analyse } from "./analyser.ts";
import { allOfThem, type Atom, type Candidates, chooseCandidates, type QueryTerm } from "./candidates.ts";
import { decodeRankedCursor, encodeRankedCursor, fingerprintOf, invalidCursor } from "./cursor.ts";
import { type Guess, guessWords } from "./guess.ts";
import { impactPerRank, labelWeights } from "./impact.ts";
import { allOf, anyOf, strongLexeme } from "./lexemes.ts";
import { countsOf, type Found, hitOf, isCurrent, isFoundFasterByIndex, matching, type PageRow } from "./matches.ts";
import type { TypedTerm } from "./matched.ts";
import type { SearchQuery } from "./port.ts";
import { filterLexemesOf, type TypedWord, wordsOf } from "./query.ts";

/** Of entries that have common words only, so many of the newest are ranked. */
const newestMax = 500;

/** What has any of the words and passes the filters, best first. */
export async function rank(db: Queryable, query: SearchQuery, now: Date): Promise<Found> {
  const fingerprint = fingerprintOf(query);
  const after = query.cursor === null ? null : decodeRankedCursor(query.cursor, fingerprint);
  const words = wordsOf(query.words);
  const filters = filterLexemesOf(query);
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
      ...words.flatMap(({ forms }) => [...forms, ...forms.map(strongLexeme)]),
      ...filters,
    ]);
    const total = counts.get("") ?? 0;
    terms = await termsOf(db, words, counts, total);
    if (terms.length === 0) return nothing;
    const filtered = Math.min(total, ...filters.map((lexeme) => counts.get(lexeme) ?? 0));
    const choice = chooseCandidates(terms, total, filtered);
    candidates = choice.candidates;
    const first = await readPage(db, { terms, candidates, filters, after, limit: query.limit, now });
    if (first.length <= query.limit && !choice.isAll) {
      candidates = await widened(db, terms, candidates, filters, total, filtered);
    } else {
      return found(first);
    }
  }
  return found(await readPage(db, { terms, candidates, filters, after, limit: query.limit, now }));

  function found(rows: PageRow[]): Found {
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
    return { page: { hits, facets: {}, next }, matches: matchingAny(terms, allOfThem(terms), filters) };
  }
}

/** The words that some entry has, and for the others what they can have meant. */
async function termsOf(
  db: Queryable,
  words: TypedWord[],
  counts: Map<string, number>,
  total: number,
): Promise<TypedTerm[]> {
  const count = (lexeme: string) => Math.max(0, counts.get(lexeme) ?? 0);
  const known = words.filter(({ forms }) => forms.some((form) => count(form) > 0));
  const unknown = words.filter((word) => !word.joined && !known.includes(word)).map(({ plain }) => plain);
  const guesses = unknown.length === 0 ? new Map<string, Guess>() : await guessWords(db, unknown);
  return words.flatMap((word): TypedTerm[] => {
    const forms = word.forms.filter((form) => count(form) > 0);
    if (forms.length > 0) {
      const entries = Math.max(...forms.map(count));
      const strongEntries = forms.reduce((sum, form) => sum + count(strongLexeme(form)), 0);
      return [
        { typed: word.plain, joined: word.joined, forms, factor: rarity(entries, total), entries, strongEntries },
      ];
    }
    const guess = guesses.get(word.plain);
    if (guess === undefined) return [];
    const meant = guess.words.flatMap((one) => analyse(one, null)).flatMap(({ plain, stem }) => [plain, stem ?? plain]);
    const factor = round(rarity(guess.entries, total) * guess.trust);
    return [
      {
        typed: word.plain,
        joined: false,
        forms: [...new Set(meant)],
        factor,
        entries: guess.entries,
        strongEntries: guess.entries,
      },
    ];
  });
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
  filters: string[],
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
  terms: QueryTerm[];
  candidates: Candidates;
  filters: string[];
  after: { score: number; sequence: number } | null;
  limit: number;
  now: Date;
}

/** The rows of a page and one more, if there is one. */
async function readPage(db: Queryable, request: PageRequest): Promise<PageRow[]> {
  const { terms, candidates, filters, after, limit, now } = request;
  if (candidates.groups.length === 0 && candidates.since === null) return [];
  const score = sql.join(
    terms.map(
      ({ factor, forms }) =>
        sql`${factor * impactPerRank}::float8 * ts_rank(${rankWeights}, e.lexemes, ${anyOf(forms)}::tsquery)`,
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
            where ${matchingAny(terms, candidates, filters)} and ${isCurrent(now)}
            offset 0
          ) r
          where ${after === null ? sql`true` : sql`(r.score, r.sequence) < (${after.score}::float8, ${after.sequence}::float8)`}
          order by r.score desc, r.sequence desc limit ${limit + 1}
        ) p left join search_details d using (key)
        order by p.score desc, p.sequence desc`,
  );
}

const rankWeights = sql.raw(`'{${labelWeights.join(",")}}'::float4[]`);

/** The condition that selects `candidates` among what passes the filters. */
function matchingAny(terms: QueryTerm[], candidates: Candidates, filters: string[]): SQL {
  const filterQueries = filters.map((lexeme) => anyOf([lexeme]));
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
