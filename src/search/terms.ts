import { limits } from "../base/limits.ts";
import type { Queryable } from "../db/client.ts";
import { analyse } from "./analyser.ts";
import { anyLikeness, type Guess, guessWords, isAkin, wordsBeginningWith } from "./guess.ts";
import { tiersMax, tiersOf } from "./impact.ts";
import type { TypedTerm } from "./matched.ts";
import { countsOf } from "./matches.ts";
import type { TypedWord } from "./words.ts";

/** Words of a query up to which each may be mistyped; in a longer one, most that nobody has are names of something else. */
const mistypedAmongMax = 3;

/** What a word's meaning counts, against the word itself. */
const meaningTrust = 0.8;

/** The lexemes whose counts `termsOf` looks at. */
export function lexemesOf({ forms, meanings }: TypedWord): string[] {
  return [...forms, ...meanings].flatMap((form) => [form, ...tiersOf(form, 1)]);
}

/** The words that some entry has, with what they can mean, and for the others what they can have been mistyped for. `counts` has those of `lexemesOf` all words. */
export async function termsOf(
  db: Queryable,
  words: TypedWord[],
  counts: Map<string, number>,
  total: number,
): Promise<TypedTerm[]> {
  const count = (lexeme: string) => Math.max(0, counts.get(lexeme) ?? 0);
  const tiersFor = (forms: string[]) =>
    Array.from({ length: tiersMax }, (_, index) =>
      forms.flatMap((form) => tiersOf(form, index + 1)).reduce((sum, lexeme) => sum + count(lexeme), 0),
    );
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
  const meantBy = ({ words: meant }: Guess) => [
    ...new Set(meant.flatMap((one) => analyse(one, null)).map(({ plain, stem }) => stem ?? plain)),
  ];
  const guessed = [...guesses.values()].flatMap(meantBy);
  if (guessed.length > 0) {
    const known = await countsOf(
      db,
      guessed.flatMap((root) => [root, ...tiersOf(root, 1)]),
    );
    for (const [lexeme, entries] of known) counts.set(lexeme, entries);
  }
  const found = words.map((word): TypedTerm[] => {
    const { plain: typed, joined, weight } = word;
    const guess = guesses.get(typed);
    if (guess !== undefined) {
      const forms = meantBy(guess).filter((root) => count(root) > 0);
      if (forms.length === 0) return [];
      const entries = Math.min(
        total,
        forms.reduce((sum, root) => sum + count(root), 0),
      );
      const factor = round(rarity(entries, total) * guess.trust * weight);
      return [{ typed, joined: false, forms, factor, entries, tiers: tiersFor(forms) }];
    }
    const forms = word.forms.filter((form) => count(form) > 0);
    const entries = Math.max(0, ...forms.map(count));
    const own = forms.length === 0 ? Infinity : rarity(entries, total);
    const asTyped = { typed, joined, forms, factor: round(own * weight), entries, tiers: tiersFor(forms) };
    const meant = word.meanings
      .filter((meaning) => count(meaning) > 0)
      .map((meaning) => ({
        typed,
        joined,
        forms: [meaning],
        // A rare word for a common thing is not worth more for what it means.
        factor: round(Math.min(own, rarity(count(meaning), total)) * meaningTrust * weight),
        entries: count(meaning),
        tiers: tiersFor([meaning]),
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
