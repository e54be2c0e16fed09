import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { analyse, isStopWord } from "./analyser.ts";
import { filterLexeme } from "./lexemes.ts";
import { facetNames, type SearchQuery } from "./port.ts";

/** A word of a query before it is looked up. */
export interface TypedWord {
  plain: string;
  /** Plain form and stem; one where they are the same. */
  forms: string[];
  /** `getweather` beside `get` and `weather`: counts only if an entry has it. */
  joined: boolean;
}

/**
 * The words to search for, each once, without those that say nothing (unless there are no others); at most
 * `limits.searchWordsMax`. Empty where `text` holds neither letters nor digits.
 */
export function wordsOf(text: string): TypedWord[] {
  const words = new Map<string, TypedWord>();
  // A name that is typed as one may be shouted: its language is unknown, so every word has its English stem too.
  for (const { plain, stem, joined } of analyse(text.slice(0, limits.queryStringBytesMax), null)) {
    const had = words.get(plain);
    if (had === undefined) words.set(plain, { plain, forms: stem === null ? [plain] : [plain, stem], joined });
    else if (!joined) had.joined = false;
  }
  const all = [...words.values()];
  const telling = all.filter(({ plain }) => !isStopWord(plain));
  return (telling.some(({ joined }) => !joined) ? telling : all).slice(0, limits.searchWordsMax);
}

/** The lexemes that an entry must have to pass the filters. Throws `invalid-parameter` (400) for too many values. */
export function filterLexemesOf(query: SearchQuery): string[] {
  const { controller, origin, verified } = query;
  const lexemes = facetNames.flatMap((name) => {
    const values = query.filters[name];
    if (values.length > limits.searchFilterValuesMax) {
      const description = `at most ${limits.searchFilterValuesMax} values are accepted, and ${values.length} were given`;
      throw new Problem("invalid-parameter", `${name}: ${description}. Leave some out.`, {
        validationErrors: [{ field: name, description }],
      });
    }
    return values.map((value) => filterLexeme(name, value));
  });
  if (controller !== null) lexemes.push(filterLexeme("controller", controller));
  if (origin !== null) lexemes.push(filterLexeme("origin", origin));
  if (verified !== null) lexemes.push(filterLexeme("verified", String(verified)));
  return [...new Set(lexemes)];
}
