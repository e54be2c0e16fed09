import prototypes from "unhomoglyph/data.json" with { type: "json" };
import { limits } from "../base/limits.ts";
import { snippetOf, withoutPiledMarks } from "../base/shown-text.ts";
import { hasMixedScripts } from "./script-mix.ts";

/** Why one name could be taken for another. */
export interface Resemblance {
  signs: ("same-skeleton" | "near" | "mixed-scripts")[];
  /** For people; quotes both names as `snippetOf` shows them. */
  explanation: string;
}

/** A name as it is compared. */
interface Reading {
  words: Word[];
  /** What all the words together look like; see `shapeOf`. */
  shape: string;
}

interface Word {
  /** As it was written, in NFD. */
  written: string;
  shape: string;
}

/**
 * The prototypes of UTS #39 §4 by character: those of confusables.txt in Unicode 13, all 6,311 of them, by the package
 * unhomoglyph. Besides, what later versions add for living scripts, and small capitals, which the file takes for letters
 * of their own. "m" stays as it is; see `withoutPairs`.
 */
const prototypeByCharacter = new Map(Object.entries<string>(prototypes));
prototypeByCharacter.delete("m");
for (const pair of "шw þp ടs ငc ០o ĸk ᴀa ʙb ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴘp ʀr ᴛt ᴜu ʏy".split(" ")) {
  const [character = "", prototype = ""] = pair;
  prototypeByCharacter.set(character, prototype);
}

/** What nobody sees, and the signs of a maker, which are no letters TM. */
const unseenPattern = /[[\p{Cc}\p{Cs}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb©®™℠℗]--\p{White_Space}]/gv;
const whiteSpacePattern = /[\p{White_Space}\u2800]+/gu;
/** What lies between words. "#" does not: C# is not C. */
const separatorPattern = /(?:(?!#)[\s\p{P}])+/u;
/** What is compared, besides marks. Other symbols adorn names; "+" is part of C++. */
const comparedPattern = /[\p{L}\p{N}+#]/u;
const notComparedPattern = /[^\p{L}\p{M}\p{N}+#]/gu;
const markPattern = /^\p{M}$/u;
const anyMarkPattern = /\p{M}/u;
/** Marks for the letters of many scripts; the others are vowels, tones and the like of their own. */
const accentPattern = /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/gu;
const asciiNamePattern = /^[A-Za-z0-9]+$/;
/** On what looks like a Latin letter, and on nothing, every mark is an accent. */
const latinMarksPattern = /(^|[\w+#])\p{M}+/gu;
const ideographPattern = /\p{scx=Hani}/u;

/** UTF-16 units of a name that are looked at: each character that is compared may have marks and separators. */
const nameUnitsMax = limits.lookalikeNameCharactersMax * 16;

/** UTF-16 units of each name that an explanation quotes. */
const quotedUnitsMax = 80;

/** Characters of a word from which on an edit is taken for a typing error rather than for another word. */
const wordCharactersMin = { swapped: 5, added: 6, replaced: 7 };

/** Endings of inflection that are one letter: another form of a word is no typing error. */
const endings = new Set("srdne");

/**
 * What `name` looks like, in a form that is equal for names that look alike whatever their case: not meant to be shown,
 * at most `limits.lookalikeNameCharactersMax` code points, "" for a name without anything to see.
 *
 * UTS #39 §4, with these differences, because names of agents are no identifiers:
 *
 * - Case is folded. Neither order of folding and mapping would do: a capital Cyrillic В looks like B, its small в like
 *   nothing in Latin; a capital I looks like l, its small i does not. So both cases of a letter get the ASCII letters
 *   that one of them looks like, its own first; and i, I, l and 1 are one. Where small and capital look like different
 *   letters, each keeps its own: Greek Ν and ν (n and v), Υ and υ (y and u).
 * - White space, punctuation and symbols go, so that "Weather-Agent", "WEATHER  AGENT", "WeatherAgent" and
 *   "★ Weather Agent ★" are one; "+" and "#" stay.
 * - Accents go, and strokes through letters; the vowels and tones of other scripts stay.
 * - What has no prototype gets its compatibility decomposition, so that Ⓐ and ﬂ are letters.
 * - "rn" and "m" are one as in confusables.txt, "vv" and "w" as well, and it is the single letter that stays.
 *
 * Idempotent. Takes time linear in the length of `name`. Text that runs from right to left is compared as it is stored,
 * without UTS #39's bidiSkeleton.
 */
export function skeletonOf(name: string): string {
  return skeletonOfShape(readingOf(name).shape);
}

/**
 * `skeleton` and, if it is long enough for `areNear`, all that is left of it when one character goes (Garbe's symmetric
 * delete): the skeletons of names that resemble each other have one of these in common. At most
 * `limits.lookalikeNameCharactersMax` + 1 texts, none of them empty unless `skeleton` is.
 */
export function stubsOf(skeleton: string): string[] {
  const characters = charactersOf(skeleton);
  const whole = characters.join("");
  if (characters.length < wordCharactersMin.swapped) return [whole];
  const stubs = new Set([whole]);
  let at = 0;
  for (const character of characters) {
    stubs.add(whole.slice(0, at) + whole.slice(at + character.length));
    at += character.length;
  }
  return [...stubs];
}

/**
 * Whether two names look different, but are one typing error apart: a letter that is missing or too many, another letter,
 * or two neighbours that have changed places (Damerau). Names of different things are often as near. So the word must
 * have a length from which on that is rare: 5 characters for swaps, 6 for letters too many, 7 for other letters, and
 * its first letter must be right unless it was swapped. Another number, an ending of inflection ("Agents"), another
 * ideograph and a whole word more make another name. Symmetric.
 */
export function areNear(name: string, known: string): boolean {
  return isNear(readingOf(name), readingOf(known));
}

/**
 * Whether somebody could take `name` for `known`, because they look the same or are one typing error apart; null if not,
 * or if one of them has nothing to see. The same text is a resemblance as well. Mixed scripts are only told of names
 * that resemble each other: alone, they resemble nothing. The signs are symmetric. docs/lookalikes.md says how often
 * this errs.
 */
export function resemblanceOf(name: string, known: string): Resemblance | null {
  const [reading, knownReading] = [readingOf(name), readingOf(known)];
  if (reading.shape === "" || knownReading.shape === "") return null;
  const isSame = isAlike([...reading.shape], [...knownReading.shape]);
  if (!isSame && !isNear(reading, knownReading)) return null;

  const mixed = [...new Set([name, known])].filter(hasMixedScripts);
  return {
    signs: [isSame ? "same-skeleton" : "near", ...(mixed.length === 0 ? [] : ["mixed-scripts" as const])],
    explanation: [
      `${quoted(name)} ${isSame ? "looks like" : "is a typing error away from"} ${quoted(known)}.`,
      ...mixed.map((text) => `${quoted(text)} has letters of different scripts in one word.`),
    ].join(" "),
  };
}

function quoted(name: string): string {
  return `"${snippetOf(name, quotedUnitsMax)}"`;
}

function readingOf(name: string): Reading {
  const seen = withoutPiledMarks(name.replaceAll(unseenPattern, "").replaceAll(whiteSpacePattern, " "))
    .slice(0, nameUnitsMax)
    .normalize("NFD");
  const words = seen
    .split(separatorPattern)
    .filter(isWord)
    .map((written) => ({ written, shape: shapeOf(written) }))
    .filter(({ shape }) => shape !== "");
  const shape = withoutPairs(words.map((word) => word.shape).join(""));
  // A name of nothing but signs is compared as it is; without the spaces between them, signs could become a word.
  const compared = shape === "" ? seen.trim() : shape;
  return { words, shape: charactersOf(compared).join("").trim() };
}

/** A sign that stands alone is no word, even if it looks like a letter: "Weather | Agent". */
function isWord(written: string): boolean {
  return comparedPattern.test(written) || comparedPattern.test(written.normalize("NFKD"));
}

/** The characters that are compared. */
function charactersOf(shape: string): string[] {
  return [...shape].slice(0, limits.lookalikeNameCharactersMax);
}

/** What a word in NFD looks like. The only upper-case letter is "I", which a reader may take for an "i" or an "l". */
function shapeOf(word: string): string {
  let shape = "";
  for (const character of word) shape += lookOf(character);
  if (!anyMarkPattern.test(shape)) return withoutPairs(shape);
  return withoutPiledMarks(withoutPairs(shape.replaceAll(latinMarksPattern, "$1")).normalize("NFD"));
}

function withoutPairs(shape: string): string {
  return shape.replaceAll("rn", "m").replaceAll("vv", "w");
}

/** Looks by character: the same few hundred characters make up most names. */
const looks = new Map<string, string>();
const looksMax = 20_000;

function lookOf(character: string): string {
  const known = looks.get(character);
  if (known !== undefined) return known;
  if (looks.size >= looksMax) looks.clear();
  const look = findLook(character);
  looks.set(character, look);
  return look;
}

/** `passed` has the characters that have led to this one: a small letter and its capital can each look like the other. */
function findLook(character: string, passed = ""): string {
  if (markPattern.test(character)) return withoutAccents(character);
  const lower = character.toLowerCase();
  if (passed.includes(character)) return lower;
  const own = prototypeOf(character);
  const other = prototypeOf(lower === character ? character.toUpperCase() : lower);
  // The capital I and all that looks like it.
  if (own === "l" && other === "i") return "I";
  const look =
    [own, other, withoutAccents(own), withoutAccents(other)].find((one) => asciiNamePattern.test(one)) ??
    withoutAccents(prototypeOf(lower));
  if (look === character && look === lower) return lower.replaceAll(notComparedPattern, "");
  return [...(look === character ? lower : look)].map((one) => findLook(one, passed + character)).join("");
}

function prototypeOf(character: string): string {
  return (prototypeByCharacter.get(character) ?? character.normalize("NFKD")).normalize("NFD");
}

function withoutAccents(text: string): string {
  return text.replaceAll(accentPattern, "");
}

function skeletonOfShape(shape: string): string {
  return shape.replaceAll(/[Ii]/g, "l");
}

function isNear(a: Reading, b: Reading): boolean {
  if (editOf([...a.shape], [...b.shape]) === null) return false;
  if (a.words.length !== b.words.length) {
    return !isPart(a.words, b.words) && !isPart(b.words, a.words) && isTypingError(asWord(a), asWord(b));
  }
  const changed = a.words.flatMap((word, index): [Word, Word][] => {
    const other = b.words[index];
    return other === undefined || isAlike([...word.shape], [...other.shape]) ? [] : [[word, other]];
  });
  return changed.length === 1 && changed.every(([word, other]) => isTypingError(word, other));
}

function asWord({ words, shape }: Reading): Word {
  return { written: words.map(({ written }) => written).join(""), shape };
}

/** Whether all the words of `few` are among `many`, in their order. */
function isPart(few: Word[], many: Word[]): boolean {
  let found = 0;
  for (const { shape } of many) if (shape === few[found]?.shape) found += 1;
  return found === few.length;
}

function isTypingError(a: Word, b: Word): boolean {
  if (isOtherNumber(a.written, b.written) || ideographPattern.test(a.shape + b.shape)) return false;
  const [short = [], long = []] = [[...a.shape], [...b.shape]].toSorted((one, two) => one.length - two.length);
  const edit = editOf(short, long);
  if (edit === null || short.length < wordCharactersMin[edit.kind]) return false;
  const isEnding = edit.kind === "added" && edit.at === short.length && endings.has(long[edit.at] ?? "");
  return edit.kind === "swapped" || (edit.at > 0 && !isEnding);
}

/** Whether two words, one of which has digits, differ in nothing else. */
function isOtherNumber(a: string, b: string): boolean {
  return withoutDigits(a) === withoutDigits(b);
}

function withoutDigits(word: string): string {
  return word.replaceAll(/\p{N}+/gu, "").toLowerCase();
}

/** The one edit that makes `b` of `a`, or the other way round, and its place; null if it takes none or several. */
function editOf(a: string[], b: string[]): { kind: keyof typeof wordCharactersMin; at: number } | null {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  let at = 0;
  while (at < short.length && isAlikeAt(short, long, at)) at += 1;
  if (at === long.length) return null;
  if (short.length < long.length) return isAlike(short.slice(at), long.slice(at + 1)) ? { kind: "added", at } : null;
  if (isAlike(short.slice(at + 1), long.slice(at + 1))) return { kind: "replaced", at };
  const swapped = [...short.slice(at, at + 2).toReversed(), ...short.slice(at + 2)];
  return isAlike(swapped, long.slice(at)) ? { kind: "swapped", at } : null;
}

function isAlike(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((_, index) => isAlikeAt(a, b, index));
}

function isAlikeAt(a: string[], b: string[], index: number): boolean {
  const [one, other] = [a[index], b[index]];
  return one === other || isReadingOfI(one, other) || isReadingOfI(other, one);
}

function isReadingOfI(capital: string | undefined, letter: string | undefined): boolean {
  return capital === "I" && (letter === "i" || letter === "l");
}
