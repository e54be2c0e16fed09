import type { QueryTerm } from "./candidates.ts";
import { type IndexedAffordance, keyUnitsMax } from "./index-row.ts";
import type { SearchHit } from "./port.ts";
import { stemsMeaning } from "./thesaurus.ts";

/** A term with the word that was typed for it. A word may have several: itself, and what it can mean. */
export interface TypedTerm extends QueryTerm {
  typed: string;
  /** `getweather` beside `get` and `weather`, which say the same. */
  joined: boolean;
}

/** Affordances that a hit names for the words of a query. */
const matchedMax = 5;
/** What a word in an affordance's description counts, against one in its name. */
const textShare = 0.5;
/** Affordances that answer less than this share of what the best one answers are not named. */
const shareMin = 0.5;

/**
 * Which affordances answer a query: all those that a capability filter asks for, and those that answer its words best,
 * with the words that they answer.
 */
export function matchedOf(
  affordances: IndexedAffordance[],
  terms: TypedTerm[],
  capabilities: { value: string; key: string }[],
): SearchHit["matched"] {
  const filtered = capabilities.flatMap(({ value, key }) =>
    affordances
      .filter(({ keys }) => keys.includes(key.slice(0, keyUnitsMax)))
      .map(({ name }) => ({ capability: value, name })),
  );
  const answers = affordances
    .map((affordance) => answerOf(affordance, terms))
    .filter(({ worth }) => worth > 0)
    .sort((a, b) => b.worth - a.worth);
  const best = answers[0]?.worth ?? 0;
  return [
    ...filtered,
    ...answers
      .filter(({ worth }) => worth >= best * shareMin)
      .slice(0, matchedMax)
      .map(({ capability, name }) => ({ capability, name })),
  ];
}

function answerOf(affordance: IndexedAffordance, terms: TypedTerm[]) {
  const words = new Set(affordance.words.split(" "));
  const text = new Set(affordance.text.split(" "));
  const answered = new Map<string, { worth: number; joined: boolean }>();
  for (const { typed, joined, forms, factor } of terms) {
    const stems = forms.flatMap(stemsMeaning);
    const share = stems.some((stem) => words.has(stem)) ? 1 : stems.some((stem) => text.has(stem)) ? textShare : 0;
    const worth = share * factor;
    if (worth > (answered.get(typed)?.worth ?? 0)) answered.set(typed, { worth, joined });
  }
  const typed: string[] = [];
  let worth = 0;
  for (const [word, answer] of answered) {
    worth += answer.worth;
    if (!answer.joined || typed.length === 0) typed.push(word);
  }
  return { name: affordance.name, capability: typed.join(" "), worth };
}
