import type { JsonObject } from "../base/json.ts";
import type { FollowFilter } from "../db/schema/index.ts";
import { capabilityKey } from "../search/analyser.ts";
import { factsOf } from "../things/facts.ts";

/**
 * Whether a description is one that a follower wants to hear of: of each facet that the filter names, it has one of the
 * terms. A capability is an affordance's name, title or `@type`, compared as search compares them; `type` is an `@type` of
 * the thing, `lang` the BCP 47 tag of a language that it is written in, both without regard to case. Pure.
 */
export function matchesFilter(td: JsonObject, filter: FollowFilter): boolean {
  const facts = factsOf(td);
  const capabilities = facts.affordances.flatMap(({ name, titles, types }) => [
    name,
    ...titles.map(({ text }) => text),
    ...types,
  ]);
  return (
    hasOneOf(filter.capability, capabilities, capabilityKey) &&
    hasOneOf(filter.type, facts.types, lowerCase) &&
    hasOneOf(filter.lang, facts.languages, lowerCase)
  );
}

function hasOneOf(wanted: readonly string[], had: readonly string[], form: (text: string) => string): boolean {
  if (wanted.length === 0) return true;
  const forms = new Set(had.map(form));
  return wanted.some((term) => forms.has(form(term)));
}

function lowerCase(text: string): string {
  return text.toLowerCase();
}
