import { stemmer } from "stemmer";
import { withoutPiledMarks } from "../base/shown-text.ts";

/** A word of a text, as it is indexed and searched. */
export interface Word {
  /** Folded and in lower case; at most 64 UTF-16 units. */
  plain: string;
  /** Its English stem, where the text may be English and the stem is another word. */
  stem: string | null;
  /** True for `getweather` beside `get` and `weather`: the name typed as a whole. */
  joined: boolean;
}

/** Lexemes of more units are cut: nobody types them, and a tsvector bounds them (2 KB). */
export const lexemeUnitsMax = 64;

/** Of more parts than this, a joined form is not made: it is a path or an enumeration, not a name. */
const joinedPartsMax = 5;

/** Letters that Unicode does not decompose, but that many keyboards lack. */
const foldedLetters: Record<string, string> = {
  ß: "ss",
  æ: "ae",
  œ: "oe",
  ø: "o",
  ł: "l",
  đ: "d",
  ð: "d",
  þ: "th",
  ı: "i",
};
const foldedLetter = /[ßæœøłđðþı]/g;

/** Scripts that are written without spaces: their words are found as pairs of characters. */
const spaceless =
  /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{Script=Hang}\p{Script=Thai}\p{Script=Laoo}\p{Script=Khmr}\p{Script=Mymr}]/u;
const spacelessRun = new RegExp(`((?:${spaceless.source}\\p{M}*)+)`, "u");
const asciiLetters = /^[a-z]+$/;
const asciiPiece = /^[\w.-]+$/;
const asciiPart = /[0-9]+|[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+/g;
/** Text that folding leaves as it is: the common case, and folding takes most of the time. */
const plainAscii = /^[\x20-\x26\x28-\x7e]*$/;

/** Letters and digits, with dots, underscores and hyphens between them. */
const chunk = /[\p{L}\p{M}\p{N}]+(?:[._-][\p{L}\p{M}\p{N}]+)*/gu;

/** English words that say nothing about what is asked for. */
const stopWords = new Set(
  "a an am and are as at be been but by can could did do does for from had has have he her his how i if in into is it its let like me my need no not of on or our please shall she should so some such than that the their them then there these they this those to us want was we were what when where which who whom why will with would you your".split(
    " ",
  ),
);

/** Whether `word` (plain) is one of the English words that a query can do without. */
export function isStopWord(word: string): boolean {
  return stopWords.has(word);
}

/**
 * The words of a name in lower case, without accents: split at case, digits and everything that is neither letter nor
 * digit. `getWeather` → get, weather; `vision.analyze` → vision, analyze; `HTTPServer2` → http, server, 2.
 */
export function splitName(name: string): string[] {
  return chunksOf(name).flatMap(partsOf);
}

/**
 * What makes two names the same capability: the words joined by one space. A name without any letter or digit is its
 * own key.
 */
export function capabilityKey(name: string): string {
  const key = splitName(name).join(" ");
  return key === "" ? withoutPiledMarks(name).normalize("NFKC").replace(/\p{C}/gu, "").trim().toLowerCase() : key;
}

/** Whether a text in `language` (BCP 47, lower-case; null: unknown) is taken for English. */
export function isEnglish(language: string | null): boolean {
  return language === null || language === "en" || language.startsWith("en-");
}

/**
 * The words of `text` in their order. `language` is a BCP 47 tag in lower case, or null where unknown: then, and for
 * English, words have a stem. Scripts without spaces give overlapping pairs of characters.
 */
export function analyse(text: string, language: string | null): Word[] {
  const hasStems = isEnglish(language);
  const words: Word[] = [];
  const add = (plain: string, joined: boolean) => {
    const cut = plain.length > lexemeUnitsMax ? cutTo(plain, lexemeUnitsMax) : plain;
    const stem = hasStems && cut.length > 2 && asciiLetters.test(cut) ? stemOf(cut) : cut;
    words.push({ plain: cut, stem: stem === cut ? null : stem, joined });
  };
  for (const piece of chunksOf(text)) {
    const parts = partsOf(piece);
    for (const part of parts) {
      if (!spaceless.test(part)) add(part, false);
      else for (const run of part.split(spacelessRun)) addRun(run);
    }
    if (parts.length > 1 && parts.length <= joinedPartsMax) {
      const whole = parts.join("");
      if (!spaceless.test(whole)) add(whole, true);
    }
  }
  return words;

  function addRun(run: string): void {
    if (!spaceless.test(run)) {
      if (run !== "") add(run, false);
      return;
    }
    const characters = run.match(/[^]\p{M}*/gu) ?? [];
    if (characters.length === 1) add(run, false);
    for (let index = 1; index < characters.length; index += 1) {
      add(`${characters[index - 1]}${characters[index]}`, false);
    }
  }
}

/** Stems by word. The same few thousand words make up most texts. */
const stems = new Map<string, string>();
const stemsMax = 20_000;

function stemOf(word: string): string {
  const known = stems.get(word);
  if (known !== undefined) return known;
  if (stems.size >= stemsMax) stems.clear();
  const stem = stemmer(word);
  stems.set(word, stem);
  return stem;
}

/** The pieces of a text that hold words, accents and invisible characters removed, with their case. */
function chunksOf(text: string): string[] {
  if (plainAscii.test(text)) return text.match(chunk) ?? [];
  const folded = withoutPiledMarks(text)
    .normalize("NFKD")
    .replace(/[\u0300-\u036f\p{Cf}]/gu, "")
    .normalize("NFC")
    // The English genitive and "n't"; elsewhere an apostrophe separates words.
    .replace(/['’]s(?![\p{L}\p{N}])|(?<=n)['’](?=t(?![\p{L}\p{N}]))/giu, "");
  return folded.match(chunk) ?? [];
}

function partsOf(piece: string): string[] {
  if (asciiLetters.test(piece)) return [piece];
  // The same as below, several times faster.
  if (asciiPiece.test(piece)) return (piece.match(asciiPart) ?? []).map((part) => part.toLowerCase());
  return (
    piece
      .replace(/([\p{Ll}\p{M}])(\p{Lu})/gu, "$1 $2")
      // The plural of an abbreviation (URLs) is one word.
      .replace(/(\p{Lu})(\p{Lu}(?!s(?!\p{Ll}))\p{Ll})/gu, "$1 $2")
      .replace(/(\p{N})(?=[\p{L}\p{M}])|([\p{L}\p{M}])(?=\p{N})/gu, "$1$2 ")
      .toLowerCase()
      .replace(foldedLetter, (letter) => foldedLetters[letter] ?? letter)
      .split(/[ ._-]+/)
      .filter((part) => part !== "")
  );
}

function cutTo(text: string, units: number): string {
  const cut = text.slice(0, units);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}
