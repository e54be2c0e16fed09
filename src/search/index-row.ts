import type { EntryKey } from "../base/ids.ts";
import { capabilityKey, splitName } from "./analyser.ts";
import { entryWordsOf, withoutPrefix, wordsFor } from "./entry-words.ts";
import { type Field, tierOf, weightedLexeme } from "./impact.ts";
import { filterKey, filterLexeme, mediaRangesOf, quoted, tierLexeme } from "./lexemes.ts";
import type { FacetName, SearchAffordance, SearchDocument, SearchText } from "./port.ts";

/** What is stored of an affordance. Words are separated by spaces. */
export interface IndexedAffordance {
  name: string;
  /** Capability keys of its name, titles and types. */
  keys: string[];
  /** The words of its name and titles. */
  words: string;
  /** The words of its descriptions. */
  text: string;
}

/** An entry as the Postgres engine stores it. */
export interface IndexRow {
  key: EntryKey;
  sequence: number;
  expires: string | null;
  modified: string;
  latencyMs: number | null;
  titleKey: string;
  /** A tsvector's text form. */
  lexemes: string;
  /** The lexemes of `lexemes`. */
  terms: string[];
  /** Words that mistyped ones can have meant. */
  words: string[];
  affordances: IndexedAffordance[];
  facetKeys: string[];
  facetLabels: string[];
}

/** Words of one entry; of more, those with the least impact go. A tsvector may have 1 MB. */
const wordsPerEntryMax = 4_000;
/** Filter values of one entry. */
const filtersPerEntryMax = 2_000;
/** UTF-16 units of a facet's value, as shown. */
const labelUnitsMax = 200;
/** UTF-16 units of an affordance's keys that are kept. */
export const keyUnitsMax = 128;
/** Affordances of one entry that `matched` can name, and words of each. */
const affordancesPerEntryMax = 500;
const affordanceWordsMax = 200;

/** Pure: what the index holds of `document`. */
export function indexRowOf(document: SearchDocument): IndexRow {
  const { impacts, inflected, words } = entryWordsOf(document);
  const kept = [...impacts].sort((a, b) => b[1] - a[1]).slice(0, wordsPerEntryMax);
  const weighted = kept.map(([lexeme, impact]) => weightedLexeme(lexeme, impact));
  const marks = [
    ...kept.flatMap(([lexeme, impact]) => {
      const tier = inflected.has(lexeme) ? 0 : tierOf(impact);
      return tier === 0 ? [] : [tierLexeme(lexeme, tier)];
    }),
    ...[...new Set(filterLexemesOf(document))].slice(0, filtersPerEntryMax),
  ];
  const facets = facetsOf(document);
  return {
    key: document.key,
    sequence: document.sequence,
    expires: document.expires?.toISOString() ?? null,
    modified: document.modified.toISOString(),
    latencyMs: document.latencyMs,
    titleKey: titleKeyOf(document),
    lexemes: [...weighted, ...marks.map(quoted)].join(" "),
    terms: [...kept.map(([lexeme]) => lexeme), ...marks],
    words: [...words],
    affordances: document.affordances.slice(0, affordancesPerEntryMax).map(indexedAffordanceOf),
    facetKeys: facets.map(({ key }) => key),
    facetLabels: facets.map(({ label }) => label),
  };
}

function filterLexemesOf(document: SearchDocument): string[] {
  const { affordances, types, controller, origin } = document;
  return [
    ...affordances.flatMap(namesOf).map((name) => filterLexeme("capability", name)),
    ...types.flatMap((type) => [type, withoutPrefix(type)]).map((type) => filterLexeme("type", type)),
    ...document.protocols.map((protocol) => filterLexeme("protocol", protocol)),
    ...document.mediaTypes.flatMap(mediaRangesOf).map((range) => filterLexeme("media", range)),
    ...document.inputMediaTypes.flatMap(mediaRangesOf).map((range) => filterLexeme("input", range)),
    ...document.outputMediaTypes.flatMap(mediaRangesOf).map((range) => filterLexeme("output", range)),
    ...document.tags.map((tag) => filterLexeme("tag", tag)),
    ...document.vendors.map((vendor) => filterLexeme("vendor", vendor)),
    ...document.languages.flatMap(languageRanges).map((language) => filterLexeme("lang", language)),
    ...document.badges.map((badge) => filterLexeme("badge", badge)),
    ...(controller === null ? [] : [filterLexeme("controller", controller)]),
    ...(origin === null ? [] : [filterLexeme("origin", origin)]),
    filterLexeme("verified", String(document.verified)),
  ];
}

/** What browsing by title orders by: the title's words, folded, so that case and accents do not count. */
function titleKeyOf({ titles }: Pick<SearchDocument, "titles">): string {
  return splitName(titles[0]?.text ?? "")
    .join(" ")
    .slice(0, keyUnitsMax)
    .toWellFormed();
}

/** Everything that names what an affordance can do. */
function namesOf(affordance: SearchAffordance): string[] {
  const { name, titles, types } = affordance;
  const names = [name, ...titles.map(({ text }) => text), ...types.flatMap((type) => [type, withoutPrefix(type)])];
  return names.filter((one) => capabilityKey(one) !== "");
}

/** The values that facets count, each once, as first written. */
function facetsOf(document: SearchDocument): { key: string; label: string }[] {
  const values: [FacetName, string[]][] = [
    ["capability", document.affordances.map(({ name }) => name)],
    ["type", document.types],
    ["protocol", document.protocols],
    ["media", document.mediaTypes],
    ["input", document.inputMediaTypes],
    ["output", document.outputMediaTypes],
    ["tag", document.tags],
    ["vendor", document.vendors],
    ["lang", document.languages.flatMap(languageRanges)],
    ["badge", document.badges],
  ];
  const facets = new Map<string, string>();
  for (const [facet, labels] of values) {
    for (const label of labels) {
      const shown = shownLabel(label);
      const key = `${facet}:${shownLabel(filterKey(facet, label))}`;
      if (shown !== "" && !facets.has(key) && facets.size < filtersPerEntryMax) facets.set(key, shown);
    }
  }
  return [...facets].map(([key, label]) => ({ key, label }));
}

function shownLabel(label: string): string {
  return label.slice(0, labelUnitsMax).toWellFormed().replaceAll("\0", "\uFFFD").trim();
}

/** `de-at` → de-at, de: who asks for a language means its varieties too (RFC 4647 §3.3.1). */
function languageRanges(tag: string): string[] {
  const parts = tag.split("-");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("-"));
}

function indexedAffordanceOf(affordance: SearchAffordance): IndexedAffordance {
  const { name, titles, descriptions } = affordance;
  return {
    name: name.slice(0, labelUnitsMax).toWellFormed().replaceAll("\0", "\uFFFD"),
    keys: [...new Set(namesOf(affordance).map((one) => capabilityKey(one).slice(0, keyUnitsMax)))],
    words: formsOf([{ language: null, text: name }, ...titles], "name"),
    text: formsOf(descriptions, "affordance"),
  };
}

function formsOf(texts: SearchText[], field: Field): string {
  const words = texts.flatMap(({ language, text }) => wordsFor(field, text, language));
  const forms = new Set(words.slice(0, affordanceWordsMax).map(({ plain, stem }) => stem ?? plain));
  return [...forms].join(" ");
}
