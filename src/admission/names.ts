import type { EntryKey } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { snippetOf } from "../base/shown-text.ts";
import type { EntryName, LikeName } from "../things/assessment-store.ts";
import { resemblanceOf, skeletonOf } from "../things/confusable.ts";
import { shownNamesOf } from "../things/facts.ts";
import type { LookalikeLabel } from "./trust.ts";

/** The names under which a description appears, as lookalikes are compared; at most `limits.namesPerEntryMax`. */
export function entryNamesOf(td: JsonObject): EntryName[] {
  const names = new Map<string, EntryName>();
  for (const { field, name } of shownNamesOf(td)) {
    const skeleton = skeletonOf(name);
    if (skeleton === "" || names.size >= limits.namesPerEntryMax) continue;
    names.set(`${field}:${skeleton}`, {
      field,
      name: snippetOf(name, limits.snippetTitleCharactersMax),
      skeleton,
    });
  }
  return [...names.values()];
}

/** The label of an entry whose names are like those of another controller's entry with a stronger badge. */
export function lookalikeOf(likes: readonly LikeName[]): LookalikeLabel | null {
  for (const { field, name, knownKey, knownName } of likes.toSorted((a, b) => b.strength - a.strength)) {
    const resemblance = resemblanceOf(name, knownName);
    if (resemblance !== null) return { of: knownKey, field, explanation: resemblance.explanation };
  }
  return null;
}

/** The entries among `likes` that resemble another one. */
export function lookalikesAmong(likes: readonly LikeName[]): Set<EntryKey> {
  const byEntry = Map.groupBy(likes, ({ ofKey }) => ofKey);
  return new Set([...byEntry].filter(([, ofOne]) => lookalikeOf(ofOne) !== null).map(([key]) => key));
}
