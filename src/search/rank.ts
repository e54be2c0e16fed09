import { type SQL, sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { anyTerm, type Atom, type Candidates, chooseCandidates, entriesOf, type QueryTerm } from "./candidates.ts";
import { conditionsOf, narrowingOf } from "./conditions.ts";
import { decodeRankedCursor, encodeRankedCursor, fingerprintOf, invalidCursor } from "./cursor.ts";
import { explained } from "./explain.ts";
import { tiersMax, tiersOf } from "./impact.ts";
import { allOf, anyOf } from "./lexemes.ts";
import { countsOf, type Found, hitOf, impactInEntry, isFoundFasterByIndex, matching, type PageRow } from "./matches.ts";
import type { TypedTerm } from "./matched.ts";
import type { SearchQuery } from "./port.ts";
import { filterLexemesOf } from "./query.ts";
import { lexemesOf, termsOf } from "./terms.ts";
import { wordsOf } from "./words.ts";

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
      tiers: [],
    }));
    candidates = {
      groups: after.groups.map((group) => group.map(atomOf)),
      newest: after.newest.map(atomOf),
      since: after.since,
    };
    const atoms = [...candidates.groups.flat(), ...candidates.newest];
    const isKnown = atoms.every(({ term, tier }) => term < terms.length && tier <= tiersMax);
    if (terms.length === 0 || !isKnown || (after.since !== null && after.newest.length === 0)) {
      throw invalidCursor("must be `next` of the page before");
    }
  } else {
    const counts = await countsOf(db, [...words.flatMap(lexemesOf), ...filters.flat()]);
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
    const newestOf = (newest: Atom[]) =>
      withNewest(db, { terms, candidates, filters, conditions, newest, total, filtered });
    if (choice.next !== null) candidates = await newestOf([choice.next]);
    const first = await readPage(db, { terms, candidates, filters, after, conditions, limit: query.limit });
    if (first.length > query.limit || choice.isAll) return found(first);
    candidates = await newestOf(anyTerm(terms));
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
            newest: candidates.newest.map(atomNumber),
            since: candidates.since,
            score: last.score,
            sequence: last.sequence,
          })
        : null;
    const hits = shown.map((row) => hitOf(row, query, terms));
    const shownHits = query.explain ? await explained(db, hits, terms) : hits;
    return {
      page: { hits: shownHits, facets: {}, next },
      matches: sql`(${matchingAny(terms, anyTerm(terms), filters)} and ${conditions})`,
    };
  }
}

/** `candidates` with the newest entries that have one of `newest`; all of these where they are few. */
async function withNewest(
  db: Queryable,
  request: Pick<PageRequest, "terms" | "candidates" | "filters" | "conditions"> & {
    newest: Atom[];
    total: number;
    filtered: number;
  },
): Promise<Candidates> {
  const { terms, candidates, filters, conditions, newest, total, filtered } = request;
  const most = Math.max(...newest.map(({ term, tier }) => entriesOf(terms[term] as QueryTerm, tier)));
  const share = (most / Math.max(1, total)) * (filtered / Math.max(1, total));
  if (isFoundFasterByIndex(share, total, newestMax)) {
    return { ...candidates, groups: [...candidates.groups, ...newest.map((atom) => [atom])] };
  }
  const matches = matchingAny(terms, newest, filters);
  const rows = await rowsOf<{ since: number | null }>(
    db,
    sql`select min(sequence)::float8 as since from (
          select sequence from search_entries e where (${matches}) is true and ${conditions}
          order by sequence desc limit ${newestMax}
        ) newest`,
  );
  return { ...candidates, newest, since: rows[0]?.since ?? null };
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
  const { grouped, newest } = selectionOf(terms, candidates, filters);
  // Each part has an index of its own; of both in one condition the planner would rather read the whole table. Without
  // "offset 0" the score would be computed twice, for the condition and for the order.
  const parts = [grouped, newest].flatMap((selection) =>
    selection === null
      ? []
      : [
          sql`(select e.key, e.sequence::float8 as sequence, ${score} as score from search_entries e
               where ${selection} and ${conditions} offset 0)`,
        ],
  );
  return rowsOf<PageRow>(
    db,
    sql`select encode(p.key, 'hex') as key, p.sequence, p.score, d.affordances
        from (
          select r.key, r.sequence, r.score from (${sql.join(parts, sql` union all `)}) r
          where ${after === null ? sql`true` : sql`(r.score, r.sequence) < (${after.score}::float8, ${after.sequence}::float8)`}
          order by r.score desc, r.sequence desc limit ${limit + 1}
        ) p left join search_details d using (key)
        order by p.score desc, p.sequence desc`,
  );
}

/** The conditions that select `candidates` among what passes the filters, in two parts that no entry fulfils both. */
function selectionOf(
  terms: QueryTerm[],
  { groups, newest, since }: Candidates,
  filters: string[][],
): { grouped: SQL | null; newest: SQL | null } {
  const filterQueries = filters.map(anyOf);
  const anyGroup = groups.map((group) => allOf(group.map((atom) => atomQuery(terms, atom)))).join("|");
  const grouped = groups.length === 0 ? null : matching([anyGroup, ...filterQueries]);
  if (since === null) return { grouped, newest: null };
  const any = newest.map((atom) => atomQuery(terms, atom)).join("|");
  const others = grouped === null ? sql`true` : sql`(${matching([anyGroup])}) is not true`;
  // Written so that only the order of registration is looked up in an index.
  return {
    grouped,
    newest: sql`e.sequence >= ${since}::bigint and (${matching([any, ...filterQueries])}) is true and ${others}`,
  };
}

/** The condition that an entry has any of the terms and passes the filters. */
function matchingAny(terms: QueryTerm[], atoms: Atom[], filters: string[][]): SQL {
  return matching([atoms.map((atom) => atomQuery(terms, atom)).join("|"), ...filters.map(anyOf)]);
}

function atomQuery(terms: QueryTerm[], { term, tier }: Atom): string {
  const { forms } = terms[term] as QueryTerm;
  return anyOf(tier === 0 ? forms : forms.flatMap((form) => tiersOf(form, tier)));
}

function atomNumber({ term, tier }: Atom): number {
  return term * 100 + tier;
}

function atomOf(number: number): Atom {
  return { term: Math.floor(number / 100), tier: number % 100 };
}
