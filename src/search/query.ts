import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { filterLexeme } from "./lexemes.ts";
import { facetNames, type SearchQuery } from "./port.ts";

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
