import { analyse, isEnglish, isStopWord, type Word } from "./analyser.ts";
import {
  affordanceFields,
  type Field,
  impactOf,
  inflectedShare,
  occurrenceWeight,
  otherAffordancesShare,
  thingFields,
} from "./impact.ts";
import type { SearchAffordance, SearchDocument, SearchText } from "./port.ts";
import { isCorrectable } from "./spelling.ts";
import { meaningsOf } from "./thesaurus.ts";

/** The words of an entry, as they are indexed. */
export interface EntryWords {
  /** How much of the entry each lexeme says, from 0 to 1: words, their stems, and what these mean. */
  impacts: Map<string, number>;
  /** Those lexemes that stand for inflected words and count little: their stems say the same. */
  inflected: ReadonlySet<string>;
  /** Words that mistyped ones can have meant. */
  words: Set<string>;
}

/** Where an entry has a lexeme, and what that adds to its weighted frequency. */
export interface WordPlace {
  field: Field;
  /** The affordance's name; null for a field of the thing. */
  affordance: string | null;
  weight: number;
}

/** Fields in which every word counts, because they are names. */
const nameFields: ReadonlySet<Field> = new Set(["title", "name", "label"]);

/** What of an entry has words. */
export type Worded = Pick<
  SearchDocument,
  "titles" | "descriptions" | "types" | "affordances" | "tags" | "vendors" | "examples"
>;

/** Pure: the words of `document`, each weighted by where it stands. `onPlace` is told of every place. */
export function entryWordsOf(document: Worded, onPlace?: (lexeme: string, place: WordPlace) => void): EntryWords {
  const frequencies = new Map<string, number>();
  const words = new Set<string>();
  const inflected = new Set<string>();

  function read(field: Field, texts: SearchText[], affordance: string | null, sums: Map<string, number>): void {
    const analysed = texts.map(({ language, text }) => ({ language, words: wordsFor(field, text, language) }));
    const count = analysed.flatMap((text) => text.words).filter(({ joined }) => !joined).length;
    // A text and its translations are as long as one of them.
    const languages = new Set(texts.map(({ language }) => language)).size;
    const weight = occurrenceWeight(field, count / Math.max(1, languages));
    for (const text of analysed) {
      for (const { plain, stem } of text.words) {
        const root = stem ?? plain;
        const meanings = isEnglish(text.language) ? meaningsOf(root) : [];
        for (const lexeme of stem === null ? [plain, ...meanings] : [plain, stem, ...meanings]) {
          plus(sums, lexeme, weight);
          onPlace?.(lexeme, { field, affordance, weight });
        }
        if (stem !== null) inflected.add(plain);
        if (isCorrectable(plain)) words.add(plain);
      }
    }
  }

  for (const field of thingFields) read(field, textsOfThing(document, field), null, frequencies);
  // Types are labels, but no names: half of all things are of the same type.
  for (const type of document.types) {
    const weight = occurrenceWeight("label", 1);
    for (const { plain, stem } of analyse(withoutPrefix(type), "en")) {
      for (const lexeme of stem === null ? [plain] : [plain, stem]) {
        plus(frequencies, lexeme, weight);
        onPlace?.(lexeme, { field: "label", affordance: null, weight });
      }
    }
  }

  const best = new Map<string, number>();
  const all = new Map<string, number>();
  for (const affordance of document.affordances) {
    const sums = new Map<string, number>();
    for (const field of affordanceFields) read(field, textsOfAffordance(affordance, field), affordance.name, sums);
    for (const [lexeme, sum] of sums) {
      best.set(lexeme, Math.max(sum, best.get(lexeme) ?? 0));
      plus(all, lexeme, sum);
    }
  }
  for (const [lexeme, most] of best) {
    plus(frequencies, lexeme, most + otherAffordancesShare * ((all.get(lexeme) ?? most) - most));
  }
  const impacts = [...frequencies].map(([lexeme, frequency]): [string, number] => [
    lexeme,
    impactOf(frequency) * (inflected.has(lexeme) ? inflectedShare : 1),
  ]);
  return { impacts: new Map(impacts), inflected, words };
}

/** The words of a text in `field`; without those that say nothing, unless it is a name. */
export function wordsFor(field: Field, text: string, language: string | null): Word[] {
  const words = analyse(text, language);
  return nameFields.has(field) ? words : words.filter(({ plain }) => !isStopWord(plain));
}

/** `lmos:Agent` → Agent, `https://schema.org/Thing` → Thing. */
export function withoutPrefix(type: string): string {
  return type.slice(Math.max(type.lastIndexOf(":"), type.lastIndexOf("/"), type.lastIndexOf("#")) + 1);
}

function textsOfThing(document: Worded, field: (typeof thingFields)[number]): SearchText[] {
  switch (field) {
    case "title":
      return document.titles;
    case "label":
      return [...document.tags, ...document.vendors].map((text) => ({ language: null, text }));
    case "description":
      return document.descriptions;
    case "example":
      return document.examples;
  }
}

function textsOfAffordance(affordance: SearchAffordance, field: (typeof affordanceFields)[number]): SearchText[] {
  switch (field) {
    case "name":
      return [{ language: null, text: affordance.name }, ...affordance.titles];
    case "affordance":
      return affordance.descriptions;
    case "detail":
      return affordance.details;
  }
}

function plus(sums: Map<string, number>, lexeme: string, weight: number): void {
  sums.set(lexeme, (sums.get(lexeme) ?? 0) + weight);
}
