import { sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { editsBetween, editsMax, isCorrectable, stubsOf } from "./spelling.ts";

/** What a word that no entry has can have meant. */
export interface Guess {
  words: string[];
  /** Entries that have one of them, at most. */
  entries: number;
  /** From 0 to 1: what finding it counts, against a word as typed. */
  trust: number;
}

/** Words of one query that are guessed; further ones are passed over. */
const guessedMax = 8;
/** Words that one word is taken to mean. */
const meaningsMax = 6;
/** Words that are compared with one word. */
const comparedMax = 1_000;
const prefixUnitsMin = 3;
const trust = { prefix: 0.7, edits: [1, 0.6, 0.4] };

/** Says whether a known word is what another one can have meant. */
export type Likeness = (word: string, known: string) => boolean;

export const anyLikeness: Likeness = () => true;

/** Words that begin alike and differ only in how they end: allergens and allergies, tourist and tourism. */
export const isAkin: Likeness = (word, known) => {
  let shared = 0;
  while (shared < word.length && word[shared] === known[shared]) shared += 1;
  return shared >= sharedUnitsMin && shared >= sharedShareMin * Math.max(word.length, known.length);
};

const sharedUnitsMin = 4;
const sharedShareMin = 0.7;

/** Guesses for `words` that no entry has: what they are the beginning of, or else what they are mistyped for. */
export async function guessWords(
  db: Queryable,
  words: string[],
  likeness: Likeness = anyLikeness,
): Promise<Map<string, Guess>> {
  const guesses = new Map<string, Guess>();
  for (const word of words.slice(0, guessedMax)) {
    const guess = (await longerWords(db, word, likeness)) ?? (await similarWords(db, word, likeness));
    if (guess !== null) guesses.set(word, guess);
  }
  return guesses;
}

/** The words that begin so: what `word*` asks for. Null where there is none. */
export async function wordsBeginningWith(db: Queryable, word: string): Promise<Guess | null> {
  return longerWords(db, word, anyLikeness, 1);
}

interface KnownWord extends Record<string, unknown> {
  word: string;
  entries: number;
}

async function longerWords(
  db: Queryable,
  word: string,
  likeness: Likeness,
  trusted = trust.prefix,
): Promise<Guess | null> {
  if (word.length < prefixUnitsMin) return null;
  const found = await rowsOf<KnownWord>(
    db,
    sql`select w.word, t.entries from (
          select word from search_words where word >= ${word}::text and word < ${`${word}\u{10FFFF}`}::text
          order by word limit ${comparedMax}
        ) w join search_terms t on t.term = w.word
        where t.entries > 0 order by t.entries desc, w.word limit ${meaningsMax}`,
  );
  return guessOf(
    found.filter((known) => likeness(word, known.word)),
    trusted,
  );
}

async function similarWords(db: Queryable, word: string, likeness: Likeness): Promise<Guess | null> {
  if (!isCorrectable(word)) return null;
  const edits = editsMax(word);
  const stubs = JSON.stringify(stubsOf(word, edits));
  const found = await rowsOf<KnownWord>(
    db,
    sql`select w.word, t.entries from (
          select word from search_words
          where stubs && array(select json_array_elements_text(${stubs}::text::json)) limit ${comparedMax}
        ) w join search_terms t on t.term = w.word
        where t.entries > 0`,
  );
  const near = found
    .map((known) => ({ ...known, edits: editsBetween(word, known.word) }))
    .filter((known) => known.edits <= edits && likeness(word, known.word))
    .sort((a, b) => a.edits - b.edits || b.entries - a.entries || (a.word < b.word ? -1 : 1));
  const least = near[0]?.edits ?? 0;
  return guessOf(near.filter((known) => known.edits === least).slice(0, meaningsMax), trust.edits[least] ?? 0);
}

function guessOf(words: KnownWord[], trusted: number): Guess | null {
  if (words.length === 0) return null;
  return {
    words: words.map(({ word }) => word),
    entries: words.reduce((sum, { entries }) => sum + entries, 0),
    trust: trusted,
  };
}
