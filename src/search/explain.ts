import { sql } from "drizzle-orm";
import type { EntryKey } from "../base/ids.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import { entryWordsOf, type Worded, type WordPlace } from "./entry-words.ts";
import type { TypedTerm } from "./matched.ts";
import { impactInEntry } from "./matches.ts";
import type { HitExplanation, SearchHit, WordExplanation } from "./port.ts";
import { stemsMeaning } from "./thesaurus.ts";

/** Places of one word that are named, those that weigh most first. */
const placesMax = 5;

/** Adds to ranked hits how their scores came about; the places of the words are left to `withPlaces`. */
export async function explained(
  db: Queryable,
  hits: readonly SearchHit[],
  terms: readonly TypedTerm[],
): Promise<SearchHit[]> {
  if (hits.length === 0) return [];
  const impacts = sql.join(terms.map(impactInEntry), sql`, `);
  const keys = JSON.stringify(hits.map(({ key }) => key));
  const rows = await rowsOf<{ key: EntryKey; impacts: number[] }>(
    db,
    sql`select encode(e.key, 'hex') as key, json_build_array(${impacts}) as impacts from search_entries e
        where e.key = any(array(select decode(k, 'hex') from json_array_elements_text(${keys}::text::json) k))`,
  );
  const byKey = new Map(rows.map((row) => [row.key, row.impacts]));
  return hits.map((hit) => ({ ...hit, explanation: explanationOf(hit, terms, byKey.get(hit.key) ?? []) }));
}

/** Of a word's own form and its meanings the best counts, as in the ranking. */
function explanationOf({ score }: SearchHit, terms: readonly TypedTerm[], impacts: readonly number[]): HitExplanation {
  const words = new Map<string, WordExplanation>();
  for (const [index, { typed, forms, factor }] of terms.entries()) {
    const impact = impacts[index] ?? 0;
    const word = { word: typed, forms, score: factor * impact, rarity: factor, impact, places: [] };
    if (word.score > (words.get(typed)?.score ?? 0)) words.set(typed, word);
  }
  return { engine: "postgres", score, words: [...words.values()].map(rounded) };
}

function rounded(word: WordExplanation): WordExplanation {
  const three = (value: number) => Math.round(value * 1_000) / 1_000;
  return { ...word, score: three(word.score), impact: three(word.impact) };
}

/** Pure: says of each word where `document` has it, and writes meanings as the words that have them. */
export function withPlaces(explanation: HitExplanation, document: Worded): HitExplanation {
  const places = new Map<string, WordPlace[]>();
  entryWordsOf(document, (lexeme, place) => places.set(lexeme, [...(places.get(lexeme) ?? []), place]));
  const words = explanation.words.map((word) => {
    const found = word.forms.flatMap((form) => places.get(form) ?? []);
    return { ...word, forms: word.forms.flatMap(stemsMeaning), places: mostTelling(found) };
  });
  return { ...explanation, words };
}

/** One for each field and affordance. */
function mostTelling(places: WordPlace[]): WordPlace[] {
  const sums = new Map<string, WordPlace>();
  for (const place of places) {
    const name = JSON.stringify([place.field, place.affordance]);
    const weight = (sums.get(name)?.weight ?? 0) + place.weight;
    sums.set(name, { ...place, weight: Math.round(weight * 1_000) / 1_000 });
  }
  return [...sums.values()].sort((a, b) => b.weight - a.weight).slice(0, placesMax);
}
